import { assert } from '@pyralog/base';
import { type LogOffset, logOffset, PyralogError } from '@pyralog/model';
import { type LogFiles, readFully } from './files.ts';
import {
  decodeFileHeader,
  decodeFrame,
  encodeFileHeader,
  FILE_HEADER_BYTES,
  FRAME_HEADER_BYTES,
  frameBytes,
} from './frame.ts';
import type { StoredRecord } from './log.ts';

/** A frame at least this far behind the last noted one is noted: a read starts near its offset. */
const NOTE_BYTES = 64 * 1024;
/** What a scan reads at once; a longer frame is read whole. */
const CHUNK_BYTES = 256 * 1024;
/** Zeros are written ahead in steps that grow up to this: an append then changes no metadata. */
const AHEAD_BYTES_MAX = 4 * 1024 * 1024;
const AHEAD_BYTES_MIN = 256 * 1024;
/** The least that a disk writes as a whole; most write more. */
const SECTOR_BYTES = 512;

export interface FramePlace {
  readonly record: StoredRecord;
  /** It was made durable together with the frame before it. */
  readonly continues: boolean;
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

  /**
   * Makes a file, durably but for its name: the folder is the caller's to sync. What an attempt that
   * failed or a crash left of it is written over: without a header it holds nothing.
   */
  static create(files: LogFiles, path: string, first: LogOffset): LogFile {
    const fd = files.openSync(path, 'w+');
    try {
      const file = new LogFile(files, path, fd, first, 0);
      file.#allocate(FILE_HEADER_BYTES);
      files.writeSync(fd, encodeFileHeader(first), 0, FILE_HEADER_BYTES, 0);
      files.fsyncSync(fd);
      return file;
    } catch (error) {
      files.closeSync(fd);
      throw error;
    }
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
    if (unfinished && !file.#holdsFrame()) {
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
   * @param lent what is yielded is valid until the next step only: all of it is read into one buffer
   * @returns where it stopped, and whether at zeros or at the limit rather than at damage
   */
  *frames(
    from: number,
    limit?: number,
    lent = false,
  ): Generator<FramePlace, { readonly position: number; readonly whole: boolean }> {
    let position = from;
    let buffer = new Uint8Array(0);
    let chunk = buffer;
    let used = 0;
    for (;;) {
      if (limit !== undefined && position >= limit) return { position, whole: true };
      const at = decodeFrame(chunk.subarray(used));
      if (at.kind === 'frame') {
        this.#note(at.record.offset, position);
        const { record, continues, bytes } = at;
        yield { record, continues, position, bytes };
        position += at.bytes;
        used += at.bytes;
        continue;
      }
      if (at.kind !== 'short') return { position, whole: at.kind === 'end' };
      const end = limit ?? this.#allocated;
      if (position + at.bytes > end) return { position, whole: this.#restIsZero(position) };
      const wanted = Math.min(Math.max(CHUNK_BYTES, at.bytes), end - position);
      // A fresh buffer else: records handed out are views of the old one.
      if (!lent || wanted > buffer.length) buffer = new Uint8Array(wanted);
      chunk = buffer.subarray(0, wanted);
      const read = readFully(this.#files, this.#fd, chunk, position);
      if (read < at.bytes) return { position, whole: this.#restIsZero(position) };
      chunk = chunk.subarray(0, read);
      used = 0;
    }
  }

  /** Finds the end by reading every frame, expecting offsets from `first` on. @returns the next offset */
  scan(): { readonly next: LogOffset; readonly position: number } {
    let next: number = this.first;
    const frames = this.frames(FILE_HEADER_BYTES, undefined, true);
    for (let step = frames.next(); ; step = frames.next()) {
      if (step.done) {
        this.#end = step.value.position;
        return { next: logOffset(next), position: step.value.position };
      }
      const { record, position } = step.value;
      if (record.offset < next)
        throw this.damage(position, `offset ${record.offset} follows ${next - 1}`);
      next = record.offset + 1;
    }
  }

  /**
   * What lies in the last file behind its last good frame, at `position`, where offset `next` should be.
   *
   * `torn` is what a crash leaves of a group that it interrupted: whole frames of that group, and of each
   * sector of the others the beginning or nothing, before the zeros that were there. It was never
   * acknowledged, for an acknowledgement waits for all that was written before it. Anything else is rot,
   * and may have been acknowledged: a frame that begins a later group says so, and so does a frame that is
   * no frame although every sector of it was written to its end.
   */
  tail(position: number, next: LogOffset): 'zeros' | 'torn' | PyralogError {
    if (this.#restIsZero(position)) return 'zeros';
    const rest = this.#bytesFrom(position);
    for (const later of framesIn(rest, position, 8, next + 1)) {
      if (later.continues) continue;
      return this.damage(
        position,
        `these bytes are no frame, but record ${later.record.offset} follows at byte ${later.position}`,
      );
    }
    if (mayBeTorn(rest, position)) return 'torn';
    return this.damage(position, 'these bytes are no frame of the log');
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
    try {
      while (this.#allocated < target) {
        const count = Math.min(zeros.length, target - this.#allocated);
        this.#allocated += this.#files.writeSync(this.#fd, zeros, 0, count, this.#allocated);
      }
    } catch (error) {
      // Where the disk is nearly full, what is needed now may fit all the same.
      if (this.#allocated < atLeast) throw error;
    }
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

  /** Whether there is a whole frame of this file in it, wherever. */
  #holdsFrame(): boolean {
    return framesIn(this.#bytesFrom(0), 0, 0, this.first).next().done !== true;
  }

  /** By chunks: much of a file is mostly space that was written ahead. */
  #restIsZero(position: number): boolean {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let at = position; ;) {
      const read = readFully(this.#files, this.#fd, chunk, at);
      if (!isZero(chunk.subarray(0, read))) return false;
      if (read < chunk.length) return true;
      at += read;
    }
  }

  #bytesFrom(position: number): Uint8Array {
    const size = this.#files.fstatSync(this.#fd).size;
    const rest = new Uint8Array(Math.max(0, size - position));
    return rest.subarray(0, readFully(this.#files, this.#fd, rest, position));
  }
}

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, new Uint8Array(bytes.length)) === 0;
}

/**
 * Whole frames in bytes that lie at `position` of a file, from `start` on, wherever they begin. Only of
 * offsets that can be there: from `least` on, and not more than frames fit. So what a record may hold of
 * the bytes of another log is hardly ever taken for a frame, and not every byte for the length of one.
 */
function* framesIn(
  bytes: Uint8Array,
  position: number,
  start: number,
  least: number,
): Generator<FramePlace> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const most = least + bytes.length / frameBytes(1);
  for (let at = start; at + FRAME_HEADER_BYTES < bytes.length;) {
    const offset = Number(view.getBigInt64(at + 8, true));
    const frame = offset >= least && offset <= most ? decodeFrame(bytes.subarray(at)) : undefined;
    if (frame?.kind === 'frame') {
      const { record, continues } = frame;
      yield { record, continues, position: position + at, bytes: frame.bytes };
      at += frame.bytes;
    } else at += 8;
  }
}

/**
 * Whether a write that was interrupted may have left this at `position` of a file, of a frame that begins
 * there: a sector of it, or the end of one, is still the zeros that were there before.
 */
function mayBeTorn(bytes: Uint8Array, position: number): boolean {
  if (bytes.length <= FRAME_HEADER_BYTES) return true;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const end = FRAME_HEADER_BYTES + length;
  if (end > bytes.length) return true;
  for (let to = SECTOR_BYTES - (position % SECTOR_BYTES); to < end; to += SECTOR_BYTES)
    if (bytes[to - 1] === 0) return true;
  return bytes[end - 1] === 0;
}
