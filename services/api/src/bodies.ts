import type { IncomingMessage } from 'node:http';
import { DOCUMENT_BYTES_MAX, PyralogError } from '@pyralog/model';
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

/**
 * A whole body. What exceeds the limit is refused at once; the server reads on and forgets, so that the sender gets its answer.
 * The caller gives `bytes` back to the budget when it is done with them.
 *
 * @throws transaction-too-large, busy; json-malformed where the sender went away in the middle
 */
export function readBody(body: IncomingMessage, budget: BodyBudget): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (): void => {
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

/** A line of a body, or a refusal of what is too long to be kept. `number` counts from 1, blank lines too. */
export interface Line {
  readonly number: number;
  readonly bytes: Uint8Array | undefined;
}

/** The lines of a body without their ends. Blank ones are left out, one beyond the limit has no bytes. */
export async function* linesOf(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number = DOCUMENT_BYTES_MAX,
): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let kept = 0;
  let tooLong = false;
  let number = 1;
  const keep = (part: Uint8Array): void => {
    if (tooLong || part.length === 0) return;
    kept += part.length;
    parts.push(part);
    if (kept <= bytesMax) return;
    tooLong = true;
    parts = [];
  };
  const line = (): Line | undefined => {
    const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    const found = tooLong
      ? { number, bytes: undefined }
      : isBlank(bytes)
        ? undefined
        : { number, bytes: withoutReturn(bytes) };
    parts = [];
    kept = 0;
    tooLong = false;
    number++;
    return found;
  };
  for await (const chunk of body) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, at));
      from = at + 1;
      const found = line();
      if (found !== undefined) yield found;
    }
    keep(chunk.subarray(from));
  }
  const last = line();
  if (last !== undefined) yield last;
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === SPACE || byte === RETURN || byte === 0x09);
}

function withoutReturn(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === RETURN ? bytes.subarray(0, -1) : bytes;
}
