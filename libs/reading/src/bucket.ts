import {
  blobKey,
  type Codec,
  type DatabaseInfo,
  databaseKey,
  decodeDatabaseInfo,
  decodeManifest,
  decodeRunBlock,
  decodeSegmentBlock,
  decodeSegmentPage,
  type FactBatch,
  FOOTER_READ_BYTES,
  type Manifest,
  manifestKey,
  manifestPrefix,
  type MissingTail,
  parseManifestKey,
  parseRunFooter,
  parseSegmentFooter,
  type RunFooter,
  type RunInfo,
  runKey,
  type SegmentFooter,
  type SegmentInfo,
  segmentKey,
  segmentName,
  type SegmentRecord,
} from '@pyralog/format';
import type { RunHandle } from '@pyralog/indexing';
import { type LogOffset, type PartitionNo, PyralogError, sha256Of } from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';

/** A log made anew begins another generation; the first is this. */
export const LOG_GENERATION = 0;

/** The files of one database in an object store: fetched, checked and decoded. */
export class Bucket {
  readonly database: string;
  readonly #objects: ObjectStore;
  readonly #codec: Codec;

  constructor(database: string, objects: ObjectStore, codec: Codec) {
    this.database = database;
    this.#objects = objects;
    this.#codec = codec;
  }

  /** @returns undefined where there is no such database */
  async info(): Promise<DatabaseInfo | undefined> {
    const key = databaseKey(this.database);
    const bytes = await this.#objects.get(key);
    return bytes === undefined ? undefined : decodeDatabaseInfo(bytes, key);
  }

  async manifest(partition: PartitionNo, number: number): Promise<Manifest | undefined> {
    const key = manifestKey(this.database, partition, number);
    const bytes = await this.#objects.get(key);
    return bytes === undefined ? undefined : decodeManifest(bytes, key);
  }

  /** The manifest with the greatest number. */
  async newestManifest(partition: PartitionNo): Promise<Manifest | undefined> {
    let newest: number | undefined;
    const prefix = manifestPrefix(this.database, partition);
    for await (const { key } of this.#objects.list(prefix)) {
      newest = Math.max(newest ?? 0, parseManifestKey(key) ?? 0);
    }
    return newest === undefined ? undefined : this.manifest(partition, newest);
  }

  runFooter(partition: PartitionNo, info: RunInfo): Promise<RunFooter> {
    const key = runKey(this.database, partition, info.name);
    return this.#footer(key, info.bytes, (tail) =>
      parseRunFooter(tail, info.bytes, this.#codec, key),
    );
  }

  async runBlock(
    partition: PartitionNo,
    { info, footer }: RunHandle,
    block: number,
  ): Promise<FactBatch> {
    const key = runKey(this.database, partition, info.name);
    const place = footer.blocks[block];
    if (place === undefined)
      throw new PyralogError('object-damaged', `${key} has no block ${block}.`);
    const bytes = await this.#range(key, place.offset, place.length);
    return decodeRunBlock(footer, block, bytes, this.#codec, key);
  }

  /**
   * The segment that begins at an offset, where there is one that no manifest names: a flush put it and
   * did not come to its end. It is part of the log for ever, so the next flush ends where it does.
   */
  async begunSegment(
    partition: PartitionNo,
    from: LogOffset,
  ): Promise<{ readonly bytes: number; readonly footer: SegmentFooter } | undefined> {
    const name = segmentName(LOG_GENERATION, from);
    const there = await this.#objects.head(segmentKey(this.database, partition, name));
    if (there === undefined) return undefined;
    const { bytes } = there;
    return { bytes, footer: await this.segmentFooter(partition, { name, bytes }) };
  }

  segmentFooter(
    partition: PartitionNo,
    info: Pick<SegmentInfo, 'name' | 'bytes'>,
  ): Promise<SegmentFooter> {
    const key = segmentKey(this.database, partition, info.name);
    return this.#footer(key, info.bytes, (tail) =>
      parseSegmentFooter(tail, info.bytes, this.#codec, key),
    );
  }

  async segmentBlock(
    partition: PartitionNo,
    info: SegmentInfo,
    footer: SegmentFooter,
    block: number,
  ): Promise<FactBatch> {
    const key = segmentKey(this.database, partition, info.name);
    const place = footer.blocks[block];
    if (place === undefined)
      throw new PyralogError('object-damaged', `${key} has no block ${block}.`);
    const bytes = await this.#range(key, place.offset, place.length);
    return decodeSegmentBlock(footer, block, bytes, this.#codec, key);
  }

  async segmentPage(
    partition: PartitionNo,
    info: SegmentInfo,
    footer: SegmentFooter,
    page: number,
  ): Promise<readonly SegmentRecord[]> {
    const key = segmentKey(this.database, partition, info.name);
    const place = footer.pages[page];
    if (place === undefined)
      throw new PyralogError('object-damaged', `${key} has no page ${page}.`);
    return decodeSegmentPage(
      footer,
      page,
      await this.#range(key, place.offset, place.length),
      this.#codec,
      key,
    );
  }

  /**
   * The records of a segment, page by page: those pages that are wanted, of which it is told the offsets
   * [from, to) that they span.
   */
  async *segmentRecords(
    partition: PartitionNo,
    info: SegmentInfo,
    isWanted: (from: LogOffset, to: LogOffset) => boolean,
  ): AsyncIterable<readonly SegmentRecord[]> {
    const footer = await this.segmentFooter(partition, info);
    for (const [page, { firstOffset }] of footer.pages.entries()) {
      const to = footer.pages[page + 1]?.firstOffset ?? info.to;
      if (isWanted(firstOffset, to)) yield await this.segmentPage(partition, info, footer, page);
    }
  }

  /**
   * The content of a blob: a long value.
   * @throws object-missing, object-damaged
   */
  async blob(sha256: string): Promise<Uint8Array> {
    const key = blobKey(this.database, sha256);
    const content = await this.#objects.get(key);
    if (content === undefined) {
      throw new PyralogError('object-missing', `${key} is a value of a fact but is not there.`, {
        hint: 'Run pyralog verify to see what else is missing.',
      });
    }
    checkBlob(key, sha256, content);
    return content;
  }

  /** Puts a blob, unless it is there. Resolves when it is durable, whoever put it. */
  async putBlob(sha256: string, content: Uint8Array): Promise<void> {
    const key = blobKey(this.database, sha256);
    try {
      await this.#objects.put(key, content);
    } catch (error) {
      // The put may have come to its end or not. Where it has, doing it again makes sure that it stays.
      if ((await this.#objects.head(key))?.bytes !== content.length) throw error;
      await this.#objects.put(key, content);
    }
  }

  /** The end of the file, and a second read where the footer is longer than is usual. */
  async #footer<T extends object>(
    key: string,
    fileBytes: number,
    parse: (tail: Uint8Array) => T | MissingTail,
  ): Promise<T> {
    let length = Math.min(fileBytes, FOOTER_READ_BYTES);
    for (;;) {
      const footer = parse(await this.#range(key, fileBytes - length, length));
      if (!('missing' in footer)) return footer;
      length = footer.missing;
    }
  }

  async #range(key: string, start: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#objects.getRange(key, start, length);
    if (bytes === undefined) {
      throw new PyralogError('object-missing', `${key} is named by a manifest but is not there.`, {
        hint: 'Run pyralog verify to see what else is missing.',
      });
    }
    return bytes;
  }
}

/** @throws object-damaged where the content is not what its name says */
export function checkBlob(key: string, sha256: string, content: Uint8Array): void {
  if (sha256Of(content) === sha256) return;
  throw new PyralogError(
    'object-damaged',
    `${key} is damaged: the SHA-256 of its ${content.length} bytes is not its name.`,
    { hint: 'Run `pyralog verify` to find all that is damaged. Restore the file from a copy.' },
  );
}
