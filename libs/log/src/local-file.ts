import { assert } from '@pyralog/base';
import { type LogOffset, logOffset, PyralogError } from '@pyralog/model';
import { type LogFiles, readFully } from './files.ts';
import { decodeFileHeader, decodeFrame, encodeFileHeader, FILE_HEADER_BYTES } from './frame.ts';
import type { StoredRecord } from './log.ts';

/** A frame at least this far behind the last noted one is noted: a read starts near its offset. */
const NOTE_BYTES = 64 * 1024;
/** What a scan reads at once; a longer frame is read whole. */
const CHUNK_BYTES = 256 * 1024;
/** Zeros are written ahead in steps that grow up to this: an append then changes no metadata. */
const AHEAD_BYTES_MAX = 4 * 1024 * 1024;
const AHEAD_BYTES_MIN = 256 * 1024;

export interface FramePlace {
  readonly record: StoredRecord;
  readonly position: number;
  readonly bytes: number;
}

/** One file of a partition: frames from its first offset on. */
export class LogFile {
  readonly path: string;
  readonly first: LogOffset;
  readonly #files: LogFiles;
  readonly #fd: number;
  /** Offsets and positions of some frames, rising. The first is the first frame of the file. */
  readonly #notes: { offset: number; position: number }[] = [];
  /** Bytes that were ever written, zeros included. */
  #allocated: number;
  /** Where the next frame goes; known of the last file only. */
  #end = FILE_HEADER_BYTES;

  private constructor(
    files: LogFiles,
    path: string,
    fd: number,
    first: LogOffset,
    allocated: number,
  ) {
    this.#files = files;
    this.path = path;
    this.#fd = fd;
    this.first = first;
    this.#allocated = allocated;
  }

  /** Makes a file, durably but for its name: the folder is the caller's to sync. */
  static create(files: LogFiles, path: string, first: LogOffset): LogFile {
    return LogFile.#begin(files, path, files.openSync(path, 'wx+'), first);
  }

  /** Begins an empty file anew. */
  static renew(files: LogFiles, path: string, first: LogOffset): LogFile {
    return LogFile.#begin(files, path, files.openSync(path, 'r+'), first);
  }

  static #begin(files: LogFiles, path: string, fd: number, first: LogOffset): LogFile {
    const file = new LogFile(files, path, fd, first, 0);
    file.#allocate(AHEAD_BYTES_MIN);
    files.writeSync(fd, encodeFileHeader(first), 0, FILE_HEADER_BYTES, 0);
    files.fsyncSync(fd);
    return file;
  }

  /** @returns undefined for a file whose header was never finished: no frame can be in it */
  static open(
    files: LogFiles,
    path: string,
    first: LogOffset,
    readOnly: boolean,
  ): LogFile | undefined {
    const fd = files.openSync(path, readOnly ? 'r' : 'r+');
    const head = new Uint8Array(FILE_HEADER_BYTES);
    const read = readFully(files, fd, head, 0);
    const found = decodeFileHeader(head);
    if (found === 'unknown') {
      files.closeSync(fd);
      throw new PyralogError('format-unknown', `${path} is a log file of a later version.`);
    }
    const bytes = files.fstatSync(fd).size;
    const file = new LogFile(files, path, fd, first, bytes);
    if (found === first) return file;
    const unfinished = read < FILE_HEADER_BYTES || head.every((byte) => byte === 0);
    if (unfinished && file.nextFrame(0) === undefined) {
      files.closeSync(fd);
      return undefined;
    }
    files.closeSync(fd);
    throw new PyralogError('log-damaged', `${path}, byte 0: the header of the file is damaged.`);
  }

  /** Position behind the last frame. */
  get end(): number {
    return this.#end;
  }

  get fd(): number {
    return this.#fd;
  }

  close(): void {
    this.#files.closeSync(this.#fd);
  }

  /** Makes sure that the next `bytes` lie in space that was written before, so that only data is synced. */
  reserve(bytes: number): void {
    if (this.#end + bytes + 8 <= this.#allocated) return;
    this.#allocate(this.#end + bytes + 8);
    this.#files.fsyncSync(this.#fd);
  }

  /** Writes frames behind the last one; not durable before {@link sync}. */
  write(frames: readonly Uint8Array[]): void {
    let position = this.#end;
    for (let at = 0; at < frames.length;) {
      // writev takes 1,024 buffers at most, and may write fewer bytes than it was given.
      const some = frames.slice(at, at + 1_000);
      const bytes = some.reduce((sum, frame) => sum + frame.length, 0);
      const written = this.#files.writevSync(this.#fd, some, position);
      if (written < bytes) this.#writeRest(some, written, position);
      position += bytes;
      at += some.length;
    }
  }

  sync(): void {
    this.#files.fdatasyncSync(this.#fd);
  }

  /** The frame that was written at the end is durable. */
  advance(offset: LogOffset, bytes: number): void {
    this.#note(offset, this.#end);
    this.#end += bytes;
  }

  /** Puts zeros over whatever lies behind the last good frame, so that nothing there comes back. */
  cutBack(): void {
    const size = this.#files.fstatSync(this.#fd).size;
    const zeros = new Uint8Array(CHUNK_BYTES);
    for (let at = this.#end; at < size; at += zeros.length) {
      const count = Math.min(zeros.length, size - at);
      this.#files.writeSync(this.#fd, zeros, 0, count, at);
    }
    this.#files.fdatasyncSync(this.#fd);
  }

  /** Where to begin to look for an offset: a frame at or before it. */
  positionBefore(offset: LogOffset): number {
    let low = 0;
    let high = this.#notes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#notes[middle] as { offset: number }).offset <= offset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? FILE_HEADER_BYTES : (this.#notes[low - 1] as { position: number }).position;
  }

  /**
   * Frames from a position on, up to `limit` where it is given.
   * @returns where it stopped, and whether at zeros or at the limit rather than at damage
   */
  *frames(
    from: number,
    limit?: number,
  ): Generator<FramePlace, { readonly position: number; readonly whole: boolean }> {
    let position = from;
    let chunk = new Uint8Array(0);
    let used = 0;
    for (;;) {
      if (limit !== undefined && position >= limit) return { position, whole: true };
      const at = decodeFrame(chunk.subarray(used));
      if (at.kind === 'frame') {
        this.#note(at.record.offset, position);
        yield { record: at.record, position, bytes: at.bytes };
        position += at.bytes;
        used += at.bytes;
        continue;
      }
      if (at.kind !== 'short') return { position, whole: at.kind === 'end' };
      // A fresh buffer each time: records handed out are views of the old one.
      const end = limit ?? this.#allocated;
      if (position + at.bytes > end) return { position, whole: this.#restIsZero(position) };
      chunk = new Uint8Array(Math.min(Math.max(CHUNK_BYTES, at.bytes), end - position));
      const read = readFully(this.#files, this.#fd, chunk, position);
      if (read < at.bytes) return { position, whole: this.#restIsZero(position) };
      chunk = chunk.subarray(0, read);
      used = 0;
    }
  }

  /** Finds the end by reading every frame, expecting offsets from `first` on. @returns the next offset */
  scan(): { readonly next: LogOffset; readonly whole: boolean; readonly position: number } {
    let next: number = this.first;
    const frames = this.frames(FILE_HEADER_BYTES);
    for (let step = frames.next(); ; step = frames.next()) {
      if (step.done) {
        this.#end = step.value.position;
        return { next: logOffset(next), ...step.value };
      }
      const { record, position } = step.value;
      if (record.offset < next)
        throw this.damage(position, `offset ${record.offset} follows ${next - 1}`);
      next = record.offset + 1;
    }
  }

  /** The first whole frame anywhere behind a position: what distinguishes rot from a torn tail. */
  nextFrame(behind: number): FramePlace | undefined {
    const size = this.#files.fstatSync(this.#fd).size;
    const rest = new Uint8Array(Math.max(0, size - behind));
    const bytes = rest.subarray(0, readFully(this.#files, this.#fd, rest, behind));
    const start = behind % 8 === 0 ? 8 : 8 - (behind % 8);
    for (let at = start; at + 8 < bytes.length; at += 8) {
      if (
        (bytes[at] as number) === 0 &&
        (bytes[at + 1] as number) === 0 &&
        (bytes[at + 2] as number) === 0
      )
        continue;
      const frame = decodeFrame(bytes.subarray(at));
      if (frame.kind === 'frame')
        return { record: frame.record, position: behind + at, bytes: frame.bytes };
    }
    return undefined;
  }

  damage(position: number, why: string): PyralogError {
    return new PyralogError('log-damaged', `${this.path}, byte ${position}: ${why}.`, {
      hint: 'Restore this file from a backup. Nothing was changed.',
    });
  }

  #note(offset: LogOffset, position: number): void {
    const last = this.#notes.at(-1);
    if (last === undefined || position >= last.position + NOTE_BYTES)
      this.#notes.push({ offset, position });
  }

  #allocate(atLeast: number): void {
    const step = Math.min(AHEAD_BYTES_MAX, Math.max(AHEAD_BYTES_MIN, this.#allocated));
    const target = Math.max(atLeast, this.#allocated + step);
    const zeros = new Uint8Array(Math.min(1024 * 1024, target - this.#allocated));
    for (let at = this.#allocated; at < target;) {
      at += this.#files.writeSync(this.#fd, zeros, 0, Math.min(zeros.length, target - at), at);
    }
    this.#allocated = target;
  }

  #writeRest(frames: readonly Uint8Array[], written: number, position: number): void {
    let skip = written;
    let at = position;
    for (const frame of frames) {
      const from = Math.min(skip, frame.length);
      skip -= from;
      for (let done = from; done < frame.length;) {
        const count = this.#files.writeSync(this.#fd, frame, done, frame.length - done, at + done);
        assert(count > 0, 'a write makes progress or fails');
        done += count;
      }
      at += frame.length;
    }
  }

  #restIsZero(position: number): boolean {
    const rest = new Uint8Array(Math.max(0, this.#allocated - position));
    return rest
      .subarray(0, readFully(this.#files, this.#fd, rest, position))
      .every((byte) => byte === 0);
  }
}
