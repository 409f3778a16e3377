import { request as httpRequest } from 'node:http';
import { expect } from 'vitest';
import type { Committed, Witness } from './witness.ts';

/** A transaction that was sent, and whose outcome nobody heard. */
export interface Sent {
  readonly key: string;
  readonly body: string;
}

/** What a writer works with. */
export interface WriterOptions {
  readonly url: string;
  readonly database: string;
  readonly witness: Witness;
  /** The next transaction to send; undefined to end. */
  readonly next: () => Sent | undefined;
  /** Whether the server is thought to live: a connection that breaks is a failure of the test then. */
  readonly alive: () => boolean;
  /** Told of every answer. */
  readonly heard: () => void;
}

type Answer = Committed & {
  readonly duplicate: boolean;
  readonly code?: string;
  readonly detail?: string;
};

function take({ witness, heard }: WriterOptions, { key }: Sent, answer: Answer): void {
  expect(answer.code, `${key}: ${answer.detail}`).toBeUndefined();
  const promised = witness.promisedTx(key);
  if (promised !== undefined) {
    expect(answer.duplicate, `I8: ${key} was acknowledged before`).toBe(true);
    expect(answer.tx, `I8: ${key} is the transaction that it was`).toBe(promised);
  }
  witness.acknowledge(key, answer);
  heard();
}

/** Sends one transaction after the other until the server dies. @returns what has no outcome */
export async function writeSingly(options: WriterOptions): Promise<Sent[]> {
  const { url, database, next, alive } = options;
  for (let sent = next(); sent !== undefined && alive(); sent = next()) {
    try {
      const response = await fetch(`${url}/v1/${database}/transactions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: sent.body,
      });
      const answer = (await response.json()) as Answer;
      expect(response.status, answer.detail).toBe(200);
      take(options, sent, answer);
    } catch (error) {
      // The server died under the request; whether it was committed is for the feed to say.
      if (!isCut(error) || alive()) throw error;
      return [sent];
    }
  }
  return [];
}

/**
 * Sends a stream of transactions with up to `window` on their way, so that many share an append.
 * @returns what has no outcome, in the order in which it was sent
 */
export function writeStream(options: WriterOptions, window: number): Promise<Sent[]> {
  const { url, database, next, alive } = options;
  const waiting: Sent[] = [];
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/v1/${database}/transactions?facts=true`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
    });
    const ended = (error?: unknown): void => {
      if (error !== undefined && (!isCut(error) || alive())) reject(error as Error);
      else resolve(waiting);
    };
    const fill = (): void => {
      while (waiting.length < window && !request.writableEnded) {
        const sent = alive() ? next() : undefined;
        if (sent === undefined) request.end();
        else {
          waiting.push(sent);
          request.write(`${sent.body}\n`);
        }
      }
    };
    request.on('error', ended).on('response', (response) => {
      let rest = '';
      response
        .on('error', ended)
        .on('close', () => ended())
        .on('data', (chunk: Buffer) => {
          const lines = (rest + chunk.toString()).split('\n');
          // A line that the server died in the middle of is no answer.
          rest = lines.pop() ?? '';
          try {
            for (const line of lines)
              take(options, waiting.shift() as Sent, JSON.parse(line) as Answer);
            fill();
          } catch (error) {
            reject(error as Error);
            request.destroy();
          }
        });
    });
    fill();
  });
}

/** Whether this is how a connection ends whose server was killed. */
function isCut(error: unknown): boolean {
  if (error instanceof TypeError) return true;
  const { code } = error as { readonly code?: string };
  return ['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(code ?? '');
}
