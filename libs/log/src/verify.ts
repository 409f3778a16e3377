import { join } from 'node:path';
import { type LogOffset, logOffset, PyralogError } from '@pyralog/model';
import { type LogFiles, logFileName, logFilesIn, SYSTEM_FILES } from './files.ts';
import { FILE_HEADER_BYTES } from './frame.ts';
import { LogFile } from './local-file.ts';
import type { StoredRecord } from './log.ts';

/** Is given a record of a topic. */
type OnRecord = (topic: string, record: StoredRecord) => void;

/** What a full read of one file of a local log found. */
export interface FileReport {
  readonly file: string;
  readonly topic: string;
  readonly records: number;
  /** Bytes that were read as header and frames; zeros written ahead do not count. */
  readonly bytes: number;
  readonly problem: PyralogError | undefined;
}

/**
 * Reads every frame of every file of a local log's folder, and goes on behind what is damaged. Opens
 * nothing for writing and takes no lock: a process that writes the log only adds to what is read here.
 * A torn tail of a newest file is no damage: it was never acknowledged, and is cut when the log is opened.
 * @param onRecord is given every record that is whole
 * @throws what the file system throws
 */
export function* verifyLocalLog(
  dir: string,
  onRecord: OnRecord = () => undefined,
  files: LogFiles = SYSTEM_FILES,
): Generator<FileReport> {
  for (const topic of foldersIn(files, dir)) {
    for (const partition of foldersIn(files, join(dir, topic)))
      for (const report of verifyPartition(files, join(dir, topic, partition), (record) =>
        onRecord(topic, record),
      ))
        yield { topic, ...report };
  }
}

function* verifyPartition(
  files: LogFiles,
  folder: string,
  onRecord: (record: StoredRecord) => void,
): Generator<Omit<FileReport, 'topic'>> {
  const firsts = logFilesIn(files, folder);
  for (const [i, first] of firsts.entries()) {
    const path = join(folder, logFileName(first));
    let file: LogFile | undefined;
    try {
      file = LogFile.open(files, path, first, true);
      yield file === undefined
        ? headerMissing(path, i === firsts.length - 1)
        : verifyFile(file, firsts[i + 1], onRecord);
    } catch (error) {
      if (!(error instanceof PyralogError)) throw error;
      yield { file: path, records: 0, bytes: 0, problem: error };
    } finally {
      file?.close();
    }
  }
}

/** @param following the first offset of the next file; undefined for the newest */
function verifyFile(
  file: LogFile,
  following: LogOffset | undefined,
  onRecord: (record: StoredRecord) => void,
): Omit<FileReport, 'topic'> {
  let next: number = file.first;
  let records = 0;
  const frames = file.frames(FILE_HEADER_BYTES);
  for (let step = frames.next(); ; step = frames.next()) {
    if (step.done) {
      const { position, whole } = step.value;
      const report = { file: file.path, records, bytes: position };
      if (following === undefined) {
        const tail = file.tail(position, logOffset(next));
        return { ...report, problem: tail instanceof PyralogError ? tail : undefined };
      }
      if (!whole)
        return { ...report, problem: file.damage(position, 'these bytes are no frame of the log') };
      const short = next !== following;
      return {
        ...report,
        problem: short ? file.damage(position, `offset ${next} should follow`) : undefined,
      };
    }
    const { record, position } = step.value;
    if (record.offset !== next) {
      const problem = file.damage(position, `offset ${record.offset} stands where ${next} should`);
      return { file: file.path, records, bytes: position, problem };
    }
    onRecord(record);
    next++;
    records++;
  }
}

/** A crash between the making of the newest file and its header leaves it without, and no frame in it. */
function headerMissing(file: string, isNewest: boolean): Omit<FileReport, 'topic'> {
  const problem = isNewest
    ? undefined
    : new PyralogError('log-damaged', `${file}, byte 0: the header of the file is missing.`);
  return { file, records: 0, bytes: 0, problem };
}

function foldersIn(files: LogFiles, dir: string): readonly string[] {
  return files
    .readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}
