import { forEachAtMost, must } from '@pyralog/base';
import {
  type BlobReference,
  type Fact,
  isReference,
  type StoredFact,
  type StoredValue,
  type Value,
  valueOfBlob,
} from '@pyralog/model';
import type { BlockCache, BlockScope } from './block-cache.ts';
import type { Bucket } from './bucket.ts';

/** Blobs that are fetched at once for one answer. */
const FETCHES_MAX = 8;
/** Bytes of blobs on a page, unless its first row alone has more (I13). */
const PAGE_BLOB_BYTES_MAX = 16 * 1024 * 1024;
/** What is known of blobs without asking the bucket: content by SHA-256, hexadecimal. */
export type KnownBlobs = ReadonlyMap<string, Uint8Array>;
const NONE: KnownBlobs = new Map();

/**
 * Makes answers of what is stored: the last step of every read, when it is known what is in the answer. Blobs never
 * change, so they are cached by name beside the blocks of files.
 */
export class Blobs {
  readonly #bucket: Bucket;
  readonly #cached: BlockScope<Uint8Array>;

  constructor(bucket: Bucket, cache: BlockCache) {
    this.#bucket = bucket;
    this.#cached = cache.scope<Uint8Array>();
  }

  /** @throws object-missing, object-damaged naming the blob; and what the object store throws */
  async facts(stored: readonly StoredFact[], known: KnownBlobs = NONE): Promise<readonly Fact[]> {
    // Most facts have no blob, and are the answer as they are.
    if (areWhole(stored)) return stored;
    const wholes = await this.values(
      stored.map(({ value }) => value),
      known,
    );
    return stored.map((fact, i) => ({ ...fact, value: must(wholes[i], 'every value is there') }));
  }

  /** @returns the values in the same order */
  async values(
    stored: readonly StoredValue[],
    known: KnownBlobs = NONE,
  ): Promise<readonly Value[]> {
    const needed = new Map<string, BlobReference>();
    for (const value of stored) if (isReference(value)) needed.set(nameOf(value), value);
    const wholes = new Map<string, Value>();
    await forEachAtMost(FETCHES_MAX, needed, async ([name, reference]) => {
      const content = known.get(reference.sha256) ?? (await this.#load(reference));
      wholes.set(name, valueOfBlob(reference, content));
    });
    return stored.map((value) =>
      isReference(value) ? must(wholes.get(nameOf(value)), 'every blob was fetched') : value,
    );
  }

  async #load({ sha256 }: BlobReference): Promise<Uint8Array> {
    return this.#cached.load(sha256, 0, () => this.#bucket.blob(sha256));
  }
}

function areWhole(facts: readonly StoredFact[]): facts is readonly Fact[] {
  return facts.every(({ value }) => !isReference(value));
}

/** One content may be a string and a json value. */
function nameOf({ type, sha256 }: BlobReference): string {
  return `${type} ${sha256}`;
}

/** Counts what the blobs of a page take, row by row. */
export class PageBytes {
  #bytes = 0;
  #rows = 0;

  /** @returns whether a row with these values still has room on the page; the first always has */
  add(...values: readonly StoredValue[]): boolean {
    for (const value of values) if (isReference(value)) this.#bytes += value.bytes;
    this.#rows++;
    return this.#rows === 1 || this.#bytes <= PAGE_BLOB_BYTES_MAX;
  }
}

/** How many of the first facts have room on a page. */
export function factsOnPage(facts: readonly StoredFact[]): number {
  const page = new PageBytes();
  const full = facts.findIndex(({ value }) => !page.add(value));
  return full < 0 ? facts.length : full;
}
