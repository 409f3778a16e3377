import { assert, Bell } from '@pyralog/base';
import {
  isPyralogError,
  type LogOffset,
  logOffset,
  PyralogError,
  storageError,
} from '@pyralog/model';
import { join } from 'node:path';
import { knownError, type LogFiles, logFileName, logFilesIn, syncFolder } from './files.ts';
import { encodeFrame, FILE_HEADER_BYTES } from './frame.ts';
import { type FramePlace, LogFile } from './local-file.ts';
import type { LogReadOptions, LogRecord, StoredRecord, TopicPartition } from './log.ts';
import { beyondEnd } from './memory.ts';

const BATCH_BYTES = 1024 * 1024;

export interface LocalPartitionOptions {
  readonly at: TopicPartition;
  readonly folder: string;
  readonly files: LogFiles;
  readonly fileBytes: number;
  readonly readOnly: boolean;
}

interface Pending {
  readonly records: readonly LogRecord[];
  readonly resolve: (first: LogOffset) => void;
  readonly reject: (error: PyralogError) => void;
}

/** Where a reader is: at the frame of its next record, once it has read one. */
interface Place {
  next: number;
  file: LogFile | undefined;
  position: number;
}

/**
 * One partition: files of frames, the last of which is written to. Appends of one turn of the event
 * loop are written together and made durable by one fdatasync, in the loop of the caller: for a thread
 * whose work is the log that is faster than a detour over the thread pool.
 *
 * On opening, what a crash left of the group that it interrupted is cut off, and rot is refused
 * ({@link LogFile.tail}). What is whole is made durable before anybody reads it: a process that was killed
 * may have written it and not have come to that.
 */
export class LocalPartition {
  readonly #options: LocalPartitionOptions;
  /** Rings when something was appended, or the log closes. */
  readonly #more = new Bell();
  #all: LogFile[] = [];
  #end: LogOffset = logOffset(0);
  #pending: Pending[] = [];
  /** What is behind the last good frame is not known to be zeros: cut back before the next write. */
  #dirty = false;
  /** A file was begun at the end and may be unfinished: the next write goes there, however small it is. */
  #begun = false;
  #closed = false;

  constructor(options: LocalPartitionOptions) {
    this.#options = options;
    this.#open();
  }

  get start(): LogOffset {
    return this.#all[0]?.first ?? logOffset(0);
  }

  get end(): LogOffset {
    return this.#end;
  }

  append(records: readonly LogRecord[]): Promise<LogOffset> {
    if (this.#options.readOnly)
      throw new PyralogError('storage-failed', 'The log was opened for reading only.');
    return new Promise((resolve, reject) => {
      this.#pending.push({ records, resolve, reject });
      if (this.#pending.length === 1) queueMicrotask(() => this.#commit());
    });
  }

  async *read(
    from: LogOffset,
    { follow, signal, batchBytesMax = BATCH_BYTES }: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    const { at } = this.#options;
    if (from > this.#end) throw beyondEnd(at, from, this.#end);
    if (from < this.start) {
      throw new PyralogError(
        'offset-out-of-range',
        `${at.topic}/${at.partition} begins at ${this.start}; ${from} is no longer kept.`,
      );
    }
    const reader: Place = { next: from, file: undefined, position: 0 };
    while (!signal?.aborted && !this.#closed) {
      if (reader.next >= this.#end) {
        if (!follow) return;
        await this.#more.wait(signal);
        continue;
      }
      const batches = this.#batches(reader, batchBytesMax);
      for (let step = this.#step(batches); !step.done; step = this.#step(batches)) {
        yield step.value;
        if (signal?.aborted || this.#closed) return;
      }
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#commit();
    this.#closed = true;
    this.#more.ring();
    for (const file of this.#all) file.close();
  }

  #step(batches: Iterator<readonly StoredRecord[]>): IteratorResult<readonly StoredRecord[]> {
    try {
      return batches.next();
    } catch (error) {
      throw knownError(error, `The log ${this.#options.folder} cannot be read`);
    }
  }

  /** Batches of one file, from where the reader is up to the durable end; the reader moves on with them. */
  *#batches(reader: Place, bytesMax: number): Generator<readonly StoredRecord[]> {
    const from = reader.next;
    const i = this.#all.findLastIndex(({ first }) => first <= from);
    const file = this.#all[i];
    assert(file !== undefined, 'an offset between start and end lies in a file');
    const last = i === this.#all.length - 1;
    const nextFile = this.#all[i + 1]?.first ?? this.#end;
    // Who follows goes on at a frame; who comes anew looks for it from one before.
    const begin = reader.file === file ? reader.position : file.positionBefore(logOffset(from));
    const frames = file.frames(begin, last ? file.end : undefined);
    const moveBehind = ({ record, position, bytes: size }: FramePlace): void => {
      reader.next = record.offset + 1;
      reader.file = file;
      reader.position = position + size;
    };
    let batch: StoredRecord[] = [];
    let bytes = 0;
    let expected = -1;
    let newest: FramePlace | undefined;
    for (let step = frames.next(); !step.done; step = frames.next()) {
      const { record } = step.value;
      expected = record.offset + 1;
      if (record.offset < from) continue;
      const size = record.value?.length ?? 0;
      if (newest !== undefined && bytes + size > bytesMax) {
        moveBehind(newest);
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(record);
      newest = step.value;
      bytes += size;
      // The rest of the file may have grown meanwhile; the caller comes again.
      if (expected >= nextFile) break;
    }
    if (expected < nextFile)
      throw file.damage(this.#damageIn(file), `offset ${Math.max(from, expected)} should follow`);
    if (newest === undefined) return;
    moveBehind(newest);
    yield batch;
  }

  #damageIn(file: LogFile): number {
    const frames = file.frames(FILE_HEADER_BYTES);
    let step = frames.next();
    while (!step.done) step = frames.next();
    return step.value.position;
  }

  #commit(): void {
    const group = this.#pending;
    if (group.length === 0) return;
    this.#pending = [];
    try {
      const firsts = this.#write(group);
      group.forEach(({ resolve }, i) => resolve(firsts[i] as LogOffset));
    } catch (error) {
      const failure = this.#afterFailure(error);
      for (const { reject } of group) reject(failure);
    }
    this.#more.ring();
  }

  #write(group: readonly Pending[]): LogOffset[] {
    let next: number = this.#end;
    const firsts: LogOffset[] = [];
    const frames: Uint8Array[] = [];
    for (const { records } of group) {
      firsts.push(logOffset(next));
      for (const record of records)
        frames.push(encodeFrame(logOffset(next++), record, frames.length > 0));
    }
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
    if (this.#dirty) {
      this.#all.at(-1)?.cutBack();
      this.#dirty = false;
    }
    const file = this.#fileFor(bytes);
    file.reserve(bytes);
    this.#dirty = true;
    file.write(frames);
    file.sync();
    this.#dirty = false;
    next = this.#end;
    for (const frame of frames) file.advance(logOffset(next++), frame.length);
    this.#end = logOffset(next);
    return firsts;
  }

  /** The file to write to: a new one when the last is full. */
  #fileFor(bytes: number): LogFile {
    const { folder, files, fileBytes } = this.#options;
    const last = this.#all.at(-1);
    const fits = last?.end === FILE_HEADER_BYTES || (last?.end ?? fileBytes) + bytes <= fileBytes;
    if (last !== undefined && fits && !this.#begun) return last;
    this.#begun = true;
    const file = LogFile.create(files, join(folder, logFileName(this.#end)), this.#end);
    try {
      syncFolder(files, folder);
    } catch (error) {
      file.close();
      throw error;
    }
    this.#begun = false;
    this.#all.push(file);
    return file;
  }

  /** Nothing of a refused group may come back after a restart; where that is not sure, the outcome is unknown. */
  #afterFailure(error: unknown): PyralogError {
    const failure = isPyralogError(error)
      ? error
      : storageError(error, `The log ${this.#options.folder} cannot be written`);
    if (!this.#dirty) return failure;
    try {
      this.#all.at(-1)?.cutBack();
      this.#dirty = false;
      return failure;
    } catch (second) {
      if (failure.code !== 'storage-full') return failure;
      return new PyralogError(
        'storage-failed',
        `${failure.message} What was written could not be taken back.`,
        { cause: second },
      );
    }
  }

  #open(): void {
    const { folder, files, readOnly } = this.#options;
    const firsts = logFilesIn(files, folder);
    let begun: LogOffset | undefined;
    for (const [i, first] of firsts.entries()) {
      const path = join(folder, logFileName(first));
      const file = LogFile.open(files, path, first, readOnly);
      if (file !== undefined) this.#all.push(file);
      else if (i < firsts.length - 1)
        throw new PyralogError(
          'log-damaged',
          `${path}, byte 0: the header of the file is missing.`,
        );
      // A crash between the making of a file and its header: it is made again when something is written.
      else begun = first;
    }
    this.#findEnd();
    if (!readOnly) syncFolder(files, folder);
    this.#begun = begun !== undefined;
    if (begun === undefined || begun === this.#end) return;
    throw new PyralogError(
      'log-damaged',
      `${join(folder, logFileName(begun))} should begin at offset ${this.#end}, behind the file before it.`,
      { hint: 'Restore the file before it from a backup. Nothing was changed.' },
    );
  }

  #findEnd(): void {
    const last = this.#all.at(-1);
    if (last === undefined) return;
    const { next, position } = last.scan();
    const tail = last.tail(position, next);
    if (tail instanceof PyralogError) throw tail;
    if (!this.#options.readOnly) last.sync();
    this.#end = next;
    // Cut off before the next write: to open a log needs no room on the disk.
    this.#dirty = tail === 'torn';
  }
}
