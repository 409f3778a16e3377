import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { assert } from '@pyralog/base';
import { PyralogError } from '@pyralog/model';
import { assertKey, clampRange, isKey } from './key.ts';
import type { ObjectInfo, ObjectStore } from './objects.ts';
import { type Attempt, S3Connection, type S3Options } from './s3-connection.ts';
import { isAbsent, isBeyondEnd, isTaken, MangledAnswer } from './s3-errors.ts';
import { capital } from './sentence.ts';

export type { S3Credentials, S3Options } from './s3-connection.ts';
export { type S3Flags, s3OptionsOf } from './s3-settings.ts';

/**
 * What one request may put. Multipart uploads go beyond it, to 5 TiB, and are not used: not every store
 * knows a condition on their end, what was cut leaves parts that cost money until somebody sweeps them, and
 * a file of ours that fails at 64 MiB is sent again sooner than it would be put together.
 */
const PUT_BYTES_MAX = 5 * 2 ** 30;

/** Metadata of an object: which call of `put` wrote it, 128 bits in hexadecimal. */
const PUT_ID = 'pyralog-put';
/** Metadata of an object: CRC-32 of its bytes, eight hexadecimal digits. */
const CHECKSUM = 'pyralog-crc32';

/** How often an object is read whose bytes do not fit its checksum, until that is taken for its own fault. */
const READS_OF_DAMAGED = 2;

interface ObjectHead {
  readonly bytes: number;
  /** Which call of `put` wrote it; undefined where another program did. */
  readonly putId: string | undefined;
}

/**
 * A bucket of Amazon S3, or of another store that speaks its protocol and keeps its promises: puts with
 * `If-None-Match: *` that are atomic, reads that see what was put, metadata, and listings in byte order
 * (not those of S3 Express). `probeObjectStore` finds out about the first.
 *
 * - Every call is tried again until `patienceMillis` after its first failure. Then it rejects:
 *   `unreachable` where no answer came, `storage-failed` where the store says no, `storage-full`, and
 *   `store-unfit` where it cannot do what is needed. A put may still come to its end then.
 * - `put` tells `created` if and only if this call wrote the object, also where the answer was lost: each
 *   call writes an id of its own into the metadata, and looks for it where the key is taken.
 * - `get` compares the bytes with the checksum that `put` left, and reads again before it rejects with
 *   `object-damaged`. Ranges are checked by whoever knows what they hold.
 * - `delete` may be done twice where an answer was lost: delete nothing that others may put again meanwhile.
 */
export class S3Objects implements ObjectStore, AsyncDisposable {
  readonly #connection: S3Connection;
  readonly #bucket: string;
  readonly #prefix: string;
  /** Whether the store was seen to keep metadata, without which the outcome of a put cannot be known. */
  #keepsMetadata = false;

  private constructor(options: S3Options) {
    this.#connection = new S3Connection(options);
    this.#bucket = options.bucket;
    this.#prefix = options.prefix === undefined ? '' : `${options.prefix}/`;
  }

  /**
   * A bucket that need not be there yet: nothing is asked before it is used.
   * @throws PyralogError `parameter-invalid`
   */
  static at(options: S3Options): S3Objects {
    return new S3Objects(options);
  }

  /**
   * Opens a bucket that is there. Waits for a store that starts at the same time.
   * @throws PyralogError `parameter-invalid`; `unreachable`, `storage-failed`
   */
  static async open(options: S3Options): Promise<S3Objects> {
    const store = S3Objects.at(options);
    try {
      await store.#page('The object store cannot be opened', { MaxKeys: 1 });
      return store;
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** In texts: `the bucket kb at http://127.0.0.1:9000`. */
  get name(): string {
    return this.#connection.name;
  }

  async put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    assert(bytes.length <= PUT_BYTES_MAX, `${key} has more than 5 GiB`);
    const id = randomBytes(16).toString('hex');
    const checksum = crc32(bytes);
    const command = new PutObjectCommand({
      ...this.#place(key),
      Body: bytes,
      ContentLength: bytes.length,
      IfNoneMatch: '*',
      // So that the store refuses what was changed on the way.
      ChecksumCRC32: base64Of(checksum),
      Metadata: { [PUT_ID]: id, [CHECKSUM]: hexOf(checksum) },
    });
    // An attempt that failed may have been done, and may yet be.
    let unknown = false;
    const outcome = await this.#connection.retrying(
      `The object ${key} cannot be written`,
      async () => {
        const there = unknown ? await this.#head(key) : undefined;
        if (there !== undefined) return there.putId === id ? 'created' : 'exists';
        unknown = true;
        try {
          await this.#connection.attempt(
            ({ signal }) => this.#connection.client.send(command, { abortSignal: signal }),
            bytes.length,
          );
          return 'created';
        } catch (error) {
          if (!isTaken(error)) throw error;
        }
        // By an attempt of this call, or of something between here and the store that tries again by itself.
        const taken = await this.#head(key);
        if (taken === undefined) throw new MangledAnswer(`says that ${key} is there, and is not`);
        return taken.putId === id ? 'created' : 'exists';
      },
    );
    if (outcome === 'created' && !this.#keepsMetadata) await this.#checkMetadata(key, id);
    return outcome;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const command = new GetObjectCommand(this.#place(key));
    let damaged = 0;
    return this.#connection.retrying(unread(key), () =>
      this.#absentIsUndefined(async (attempt) => {
        const { answer, bytes } = await this.#read(attempt, command, ({ ContentLength }) => {
          return ContentLength ?? 0;
        });
        const checksum = answer.Metadata?.[CHECKSUM];
        // Another program may have put it there, from a copy.
        if (checksum === undefined || checksum === hexOf(crc32(bytes))) return bytes;
        if (++damaged < READS_OF_DAMAGED)
          throw new MangledAnswer(`gives bytes of ${key} that do not fit its checksum`);
        throw new PyralogError(
          'object-damaged',
          `The bytes of ${key} do not fit the checksum that they were put with.`,
          { hint: `Restore the object in ${this.name} from a copy.` },
        );
      }),
    );
  }

  async getRange(key: string, start: number, length: number): Promise<Uint8Array | undefined> {
    // HTTP has no word for an empty range, nor for a part of the end that ends before it.
    if (length <= 0 || (start < 0 && length < -start)) {
      const info = await this.head(key);
      if (info === undefined) return undefined;
      if (length <= 0) return new Uint8Array();
      return this.getRange(key, Math.max(0, info.bytes + start), length);
    }
    const Range = start < 0 ? `bytes=${start}` : `bytes=${start}-${start + length - 1}`;
    const command = new GetObjectCommand({ ...this.#place(key), Range });
    const expect = ({ ContentRange }: GetObjectCommandOutput): number => {
      if (ContentRange === undefined) throw this.#ignoresRanges();
      // Of the end of an empty object MinIO says `bytes 0--1/0`, where others say that there is none.
      const [, from, last, size] = (/^bytes (\d+)-(-?\d+)\/(\d+)$/.exec(ContentRange) ?? []).map(
        Number,
      );
      if (from === undefined || last === undefined || size === undefined)
        throw new MangledAnswer(`gives no range of ${key}`);
      const asked = clampRange(size, start, length);
      if (from !== asked[0] || last + 1 !== asked[1])
        throw new MangledAnswer(`gives another range of ${key} than was asked for`);
      return last + 1 - from;
    };
    return this.#connection.retrying(unread(key), () =>
      this.#absentIsUndefined(async (attempt) => {
        try {
          return (await this.#read(attempt, command, expect)).bytes;
        } catch (error) {
          if (isBeyondEnd(error)) return new Uint8Array();
          throw error;
        }
      }),
    );
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const there = await this.#connection.retrying(unread(key), () => this.#head(key));
    return there && { key, bytes: there.bytes };
  }

  async *list(
    prefix: string,
    { after = '' }: { readonly after?: string | undefined } = {},
  ): AsyncIterable<ObjectInfo> {
    const what = `The objects ${prefix}… cannot be listed`;
    let last = '';
    let token: string | undefined;
    do {
      const page = await this.#page(what, {
        Prefix: this.#prefix + prefix,
        ...(after === '' ? {} : { StartAfter: this.#prefix + after }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      for (const { Key = '', Size = 0 } of page.Contents ?? []) {
        const key = Key.slice(this.#prefix.length);
        // What consoles put there to show folders is none of ours.
        if (!isKey(key)) continue;
        if (key <= last) {
          throw new PyralogError('store-unfit', `${capital(this.name)} lists keys out of order.`, {
            hint: 'Use a store that lists in byte order: a directory bucket of S3 Express does not.',
          });
        }
        last = key;
        yield { key, bytes: Size };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async delete(key: string): Promise<void> {
    const command = new DeleteObjectCommand(this.#place(key));
    await this.#connection.retrying(`The object ${key} cannot be deleted`, () =>
      this.#absentIsUndefined(({ signal }) =>
        this.#connection.client.send(command, { abortSignal: signal }),
      ),
    );
  }

  /** Closes the connections at once: calls under way reject with `stopping`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close();
  }

  #place(key: string): { readonly Bucket: string; readonly Key: string } {
    assertKey(key);
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  #page(
    what: string,
    options: {
      readonly Prefix?: string;
      readonly StartAfter?: string;
      readonly ContinuationToken?: string;
      readonly MaxKeys?: number;
    },
  ): Promise<ListObjectsV2CommandOutput> {
    const command = new ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: this.#prefix,
      ...options,
    });
    return this.#connection.retrying(what, async () => {
      const page = await this.#connection.attempt(({ signal }) =>
        this.#connection.client.send(command, { abortSignal: signal }),
      );
      // To the SDK what is no listing is one of nothing.
      const { IsTruncated, NextContinuationToken } = page;
      if (IsTruncated === undefined || IsTruncated !== (NextContinuationToken !== undefined))
        throw new MangledAnswer('answers something that is no listing');
      return page;
    });
  }

  /** One try. */
  async #head(key: string): Promise<ObjectHead | undefined> {
    const command = new HeadObjectCommand(this.#place(key));
    const answer = await this.#absentIsUndefined(({ signal }) =>
      this.#connection.client.send(command, { abortSignal: signal }),
    );
    if (answer === undefined) return undefined;
    const { ContentLength, Metadata } = answer;
    if (ContentLength === undefined) throw new MangledAnswer(`does not say how long ${key} is`);
    return { bytes: ContentLength, putId: Metadata?.[PUT_ID] };
  }

  /** @throws PyralogError `store-unfit` */
  async #checkMetadata(key: string, id: string): Promise<void> {
    const there = await this.#connection.retrying(unread(key), () => this.#head(key));
    // Somebody has deleted it in the meantime.
    if (there === undefined) return;
    if (there.putId !== id) {
      throw new PyralogError(
        'store-unfit',
        `${capital(this.name)} does not keep metadata of objects.`,
        { hint: 'Without them nobody can know whether a put whose answer was lost was done.' },
      );
    }
    this.#keepsMetadata = true;
  }

  async #absentIsUndefined<T>(request: (attempt: Attempt) => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#connection.attempt(request);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /**
   * Reads a body to its end.
   * @param expect how many bytes it must have, by what stands before it; where it throws none are read
   */
  async #read(
    { signal, alive }: Attempt,
    command: GetObjectCommand,
    expect: (answer: GetObjectCommandOutput) => number,
  ): Promise<{ readonly answer: GetObjectCommandOutput; readonly bytes: Uint8Array }> {
    const answer = await this.#connection.client.send(command, { abortSignal: signal });
    const body = answer.Body;
    assert(body instanceof Readable, 'the SDK streams bodies');
    try {
      const bytes = new Uint8Array(expect(answer));
      let length = 0;
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        alive();
        if (length + chunk.length > bytes.length)
          throw new MangledAnswer(`sends more than the ${bytes.length} bytes that it says`);
        bytes.set(chunk, length);
        length += chunk.length;
      }
      if (length < bytes.length)
        throw new MangledAnswer(`sends ${length} of ${bytes.length} bytes`);
      return { answer, bytes };
    } finally {
      // What is not read would keep its connection.
      body.destroy();
    }
  }

  #ignoresRanges(): PyralogError {
    return new PyralogError('store-unfit', `${capital(this.name)} does not know ranges.`, {
      hint: 'Use a store that gives a part of an object when it is asked for one.',
    });
  }
}

function unread(key: string): string {
  return `The object ${key} cannot be read`;
}

function hexOf(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}

/** Of a checksum as the protocol has it: four bytes, the highest first. */
function base64Of(checksum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(checksum);
  return bytes.toString('base64');
}
