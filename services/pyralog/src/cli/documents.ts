import { open, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { isPyralogError, parseJson, printJson, PyralogError, type Json } from '@pyralog/model';
import { StreamReader } from '../stream-reader.ts';
import { messageOf } from '../troubles.ts';
import { note } from './print.ts';

/** One transaction document of an input. */
export interface GivenDocument {
  readonly document: Uint8Array;
  /** `line 3`; undefined where it is the only one. */
  readonly place: string | undefined;
}

const NEWLINE = 0x0a;

/** A file, or standard input for `-` and nothing. @throws PyralogError `usage` where it cannot be read */
export async function openInput(file: string | undefined): Promise<Readable> {
  if (file === undefined || file === '-') {
    if (process.stdin.isTTY)
      note('Reading a transaction document from the terminal; end it with Ctrl-D.');
    return process.stdin;
  }
  try {
    if ((await stat(file)).isDirectory()) throw new Error('it is a folder');
    const handle = await open(file);
    return handle.createReadStream();
  } catch (error) {
    throw new PyralogError('usage', `${file} cannot be read: ${messageOf(error)}.`);
  }
}

/**
 * The documents of an input: where the first line is JSON in itself and more follow, one a line, however long the input
 * is; else the whole is one document or an array of documents.
 */
export async function* documentsIn(input: AsyncIterable<Buffer>): AsyncGenerator<GivenDocument> {
  const reader = new StreamReader(input);
  const lines = nonEmptyLines(reader);
  const first = await lines.next();
  if (first.done === true)
    throw new PyralogError('usage', 'There is no document in the input.', {
      hint: 'The smallest one is {"ops":[]}.',
    });
  const second = isWhole(first.value.bytes) ? await lines.next() : undefined;
  if (second !== undefined && second.done !== true) {
    yield atLine(first.value);
    yield atLine(second.value);
    for await (const next of lines) yield atLine(next);
    return;
  }
  const parts = [first.value.bytes];
  if (second === undefined)
    for await (const { bytes } of lines) parts.push(Buffer.of(NEWLINE), bytes);
  yield* wholeInput(Buffer.concat(parts));
}

/** A broken text goes to the database as it is, which says what is wrong with it. */
function* wholeInput(bytes: Buffer): Generator<GivenDocument> {
  const json = jsonOrUndefined(bytes);
  if (!Array.isArray(json)) {
    yield { document: bytes, place: undefined };
    return;
  }
  for (const [i, each] of (json as readonly Json[]).entries())
    yield { document: Buffer.from(printJson(each)), place: `document ${i + 1}` };
}

interface Line {
  readonly number: number;
  readonly bytes: Buffer;
}

async function* nonEmptyLines(reader: StreamReader): AsyncGenerator<Line> {
  for (let number = 1; ; number++) {
    const bytes = (await reader.until(NEWLINE)) ?? (await reader.rest());
    if (bytes === undefined) return;
    if (bytes.some((byte) => byte > 0x20)) yield { number, bytes };
  }
}

const atLine = ({ number, bytes }: Line): GivenDocument => ({
  document: bytes,
  place: `line ${number}`,
});

const isWhole = (bytes: Buffer): boolean => jsonOrUndefined(bytes) !== undefined;

function jsonOrUndefined(bytes: Buffer): Json | undefined {
  try {
    return parseJson(bytes);
  } catch (error) {
    if (isPyralogError(error)) return undefined;
    throw error;
  }
}
