import type { IncomingMessage } from 'node:http';
import { DOCUMENT_BYTES_MAX, isPyralogError, PyralogError } from '@pyralog/model';
import type { Timers } from '@pyralog/runtime';
import type { FastifyRequest } from 'fastify';
import { bodyTooLarge } from './problems.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

/** Bytes of bodies that are in memory before they are committed, over all requests: bounded, so that overload refuses work instead of ending it. */
export class BodyBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @throws busy */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) {
      throw new PyralogError('busy', 'Too many large requests are on their way at once.', {
        hint: 'Send fewer at a time.',
      });
    }
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/**
 * The media type of a body, without parameters, in lower case.
 * @throws media-type-unsupported where it is none of `allowed`, has a charset other than UTF-8, or is compressed
 */
export function mediaType(request: FastifyRequest, allowed: readonly string[]): string {
  const written = request.headers['content-type'] ?? '';
  const type = (written.split(';')[0] ?? '').trim().toLowerCase();
  const unsupported = (detail: string): PyralogError =>
    new PyralogError('media-type-unsupported', detail, {
      hint: `Send the header "content-type: ${allowed.join('" or "')}" (curl: -H 'content-type: ${allowed[0]}').`,
      extra: { allowed },
    });
  if (!allowed.includes(type)) {
    throw unsupported(
      type === ''
        ? 'The request has no content type.'
        : `The content type ${JSON.stringify(type.slice(0, 60))} is not supported here.`,
    );
  }
  const charset = /charset="?([^";\s]+)/i.exec(written)?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset))
    throw unsupported('The text of a body is UTF-8.');
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw unsupported('Compressed bodies are not supported.');
  return type;
}

/** How long a whole body may be on its way. */
export interface BodyLimit {
  readonly timers: Timers;
  readonly millis: number;
}

/**
 * A whole body. What exceeds the limit is refused at once; the server reads on and forgets, so that the sender gets its answer.
 * The caller gives `bytes` back to the budget when it is done with them.
 *
 * @throws transaction-too-large, busy, request-timeout; json-malformed where the sender went away in the middle
 */
export function readBody(
  body: IncomingMessage,
  budget: BodyBudget,
  { timers, millis }: BodyLimit,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const limit = timers.after(millis, () => refuse(bodyTooSlow(millis)));
    const end = (): void => {
      limit[Symbol.dispose]();
      body.off('data', data).off('end', finish).off('error', cut).off('close', cut);
    };
    const refuse = (error: unknown): void => {
      end();
      // An `error` that comes later has no listener otherwise.
      body.on('error', () => undefined).resume();
      budget.give(bytes);
      reject(error);
    };
    const data = (chunk: Buffer): void => {
      try {
        if (bytes + chunk.length > DOCUMENT_BYTES_MAX) throw bodyTooLarge();
        budget.take(chunk.length);
      } catch (error) {
        refuse(error);
        return;
      }
      bytes += chunk.length;
      chunks.push(chunk);
    };
    const finish = (): void => {
      end();
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes));
    };
    const cut = (): void =>
      refuse(new PyralogError('json-malformed', 'The body ended before it was complete.'));
    if (Number(body.headers['content-length'] ?? 0) > DOCUMENT_BYTES_MAX) refuse(bodyTooLarge());
    else body.on('data', data).on('end', finish).on('error', cut).on('close', cut);
  });
}

function bodyTooSlow(millis: number): PyralogError {
  return new PyralogError(
    'request-timeout',
    `The body was not complete within ${millis / 1_000} seconds.`,
    { hint: 'Send smaller transactions, or a stream of them as application/x-ndjson.' },
  );
}

/**
 * A line of a body, or why it was not kept. `number` counts from 1, blank lines too. Its bytes are taken from the budget, to
 * which whoever is done with them gives them back.
 */
export type Line =
  | { readonly number: number; readonly bytes: Uint8Array }
  | { readonly number: number; readonly bytes: undefined; readonly refusal: PyralogError };

/** The lines of a body without their ends. Blank ones are left out, one beyond the limit or the budget is refused. */
export async function* linesOf(
  body: AsyncIterable<Uint8Array>,
  budget: BodyBudget,
  bytesMax: number = DOCUMENT_BYTES_MAX,
): AsyncGenerator<Line> {
  const line = new LineBuffer(budget, bytesMax);
  try {
    for await (const chunk of body) {
      let from = 0;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        line.keep(chunk.subarray(from, at));
        from = at + 1;
        const found = line.end();
        if (found !== undefined) yield found;
      }
      line.keep(chunk.subarray(from));
    }
    const last = line.end();
    if (last !== undefined) yield last;
  } finally {
    line.drop();
  }
}

/** The line that is being read. */
class LineBuffer {
  readonly #budget: BodyBudget;
  readonly #bytesMax: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #refusal: PyralogError | undefined;
  #number = 1;

  constructor(budget: BodyBudget, bytesMax: number) {
    this.#budget = budget;
    this.#bytesMax = bytesMax;
  }

  keep(part: Uint8Array): void {
    if (this.#refusal !== undefined || part.length === 0) return;
    try {
      if (this.#bytes + part.length > this.#bytesMax) throw bodyTooLarge();
      this.#budget.take(part.length);
    } catch (error) {
      if (!isPyralogError(error)) throw error;
      this.drop();
      this.#refusal = error;
      return;
    }
    this.#bytes += part.length;
    this.#parts.push(part);
  }

  /** The line that ends here; undefined for a blank one. */
  end(): Line | undefined {
    const number = this.#number++;
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal !== undefined) return { number, bytes: undefined, refusal };
    const parts = this.#parts;
    const bytes = withoutReturn(
      parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts),
    );
    const blank = isBlank(bytes);
    this.#budget.give(this.#bytes - (blank ? 0 : bytes.length));
    this.#parts = [];
    this.#bytes = 0;
    return blank ? undefined : { number, bytes };
  }

  /** Forgets what was kept of it. */
  drop(): void {
    this.#budget.give(this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
  }
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === SPACE || byte === RETURN || byte === 0x09);
}

function withoutReturn(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === RETURN ? bytes.subarray(0, -1) : bytes;
}
