import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeCommitRecord, isDatabaseName } from '@pyralog/format';
import { createCodec } from '@pyralog/format/zstd';
import type { StoredRecord } from '@pyralog/log';
import { verifyLocalLog } from '@pyralog/log/local';
import { isPyralogError, PyralogError } from '@pyralog/model';
import { LocalObjects } from '@pyralog/objects/local';
import { NamedBlobs, verifyBucket } from '@pyralog/reading';
import { checkFolder, EXIT } from './context.ts';
import { colours, counted, line } from './print.ts';
import { sizeText } from './status.ts';

/** What a commit log's topic is called behind its database. */
const COMMITS = '.commits';

interface Problem {
  readonly file: string;
  readonly problem: string;
}

/** What a full read of a data folder found. */
interface Verification {
  readonly files: number;
  readonly bytes: number;
  readonly problems: readonly Problem[];
  /** Blobs that no fact refers to; no damage. */
  readonly unnamed: readonly string[];
}

export async function verify({
  data,
  db,
  json,
}: {
  readonly data: string;
  readonly db?: string | undefined;
  readonly json?: boolean | undefined;
}): Promise<number> {
  const found = await verifyFolder(data, db);
  const { files, bytes, problems, unnamed } = found;
  if (json === true) line(JSON.stringify(found));
  else {
    for (const { problem } of problems) line(`${colours.red('damaged')}  ${problem}`);
    for (const key of unnamed) line(`unnamed  ${key}: no fact refers to it, which is no damage.`);
    line(
      `${counted(files, 'file')}, ${sizeText(bytes)}: ${problems.length === 0 ? colours.green('all whole') : colours.red(counted(problems.length, 'problem'))}`,
    );
  }
  return problems.length === 0 ? EXIT.ok : EXIT.refused;
}

/**
 * Reads every file of a folder, checks all of its checksums, and names what is damaged or missing. Takes no
 * lock: a server that runs only adds to what is read here.
 * @param db one database; undefined: all
 * @throws usage, database-not-found
 * @internal
 */
export async function verifyFolder(data: string, db?: string): Promise<Verification> {
  await checkFolder(data);
  const problems: Problem[] = [];
  const unnamed: string[] = [];
  // The log before the bucket: a blob is put before a record names it.
  const named = new NamedBlobs();
  let files = 0;
  let bytes = 0;
  const seen = (file: string, size: number, problem: PyralogError | undefined): void => {
    files++;
    bytes += size;
    if (problem !== undefined) problems.push({ file, problem: problem.message });
  };
  const [log, bucket] = [join(data, 'log'), join(data, 'bucket')];
  if (await isFolder(log)) {
    const damaged: Problem[] = [];
    const onRecord = (topic: string, { offset, value }: StoredRecord): void => {
      const database = commitLogOf(topic, db);
      if (database === undefined || value === null) return;
      const what = `record ${offset} of ${topic}`;
      try {
        const record = decodeCommitRecord(value, what);
        if (record.kind === 'items') named.add(database, record.facts);
      } catch (error) {
        if (!isPyralogError(error)) throw error;
        damaged.push({ file: join(log, topic), problem: error.message });
      }
    };
    for (const { file, topic, bytes: size, problem } of verifyLocalLog(log, onRecord))
      if (db === undefined || topic.startsWith(`${db}.`)) seen(file, size, problem);
    problems.push(...damaged);
  }
  if (await isFolder(bucket)) {
    await using objects = await LocalObjects.open({ dir: bucket });
    const reports = verifyBucket(objects, await createCodec(), db, named);
    for await (const { key, bytes: size, problem, unnamed: isUnnamed } of reports) {
      seen(key, size, problem);
      if (isUnnamed === true) unnamed.push(key);
    }
  }
  if (files === 0) throw nothingIn(data, db);
  return { files, bytes, problems, unnamed };
}

/** The database whose commit log a topic is, where it is to be read. */
function commitLogOf(topic: string, db: string | undefined): string | undefined {
  if (!topic.endsWith(COMMITS)) return undefined;
  const name = topic.slice(0, -COMMITS.length);
  return isDatabaseName(name) && (db === undefined || db === name) ? name : undefined;
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

function nothingIn(data: string, db: string | undefined): PyralogError {
  return db === undefined
    ? new PyralogError('usage', `The folder ${data} holds no database.`)
    : new PyralogError('database-not-found', `The folder ${data} holds no database ${db}.`);
}
