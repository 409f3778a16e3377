import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeCommitRecord, isDatabaseName } from '@pyralog/format';
import { createCodec } from '@pyralog/format/zstd';
import type { StoredRecord } from '@pyralog/log';
import { verifyLocalLog } from '@pyralog/log/local';
import { isPyralogError, PyralogError } from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import { LocalObjects } from '@pyralog/objects/local';
import { NamedBlobs, verifyBucket } from '@pyralog/reading';
import { checkFolder, EXIT } from './context.ts';
import { colours, counted, line } from './print.ts';
import { sizeText } from './status.ts';

/** What a commit log's topic is called behind its database. */
const COMMITS = '.commits';
/** Who asks what is damaged does not wait long for a bucket that does not answer. */
const PATIENCE_MILLIS = 5_000;

interface Problem {
  readonly file: string;
  readonly problem: string;
}

/** What a full read found. */
interface Verification {
  readonly files: number;
  readonly bytes: number;
  readonly problems: readonly Problem[];
  /** Blobs that no fact refers to; no damage. */
  readonly unnamed: readonly string[];
  /** Parts of uploads that the server of the store did not finish: no damage, for nothing names them. */
  readonly leftOver: readonly string[];
}

/** Where to look: a folder, or the bucket of a cluster. */
export interface VerifyOptions {
  readonly data?: string | undefined;
  readonly s3?: string | undefined;
  readonly bucket?: string | undefined;
  readonly db?: string | undefined;
  readonly json?: boolean | undefined;
}

export async function verify(options: VerifyOptions): Promise<number> {
  const found = await verified(options);
  const { files, bytes, problems, leftOver, unnamed } = found;
  if (options.json === true) line(JSON.stringify(found));
  else {
    for (const { problem } of problems) line(`${colours.red('damaged')}  ${problem}`);
    for (const file of leftOver)
      line(`${colours.yellow('left over')}  ${file}, an upload that was cut off; nothing needs it`);
    for (const key of unnamed)
      line(`${colours.yellow('unnamed')}  ${key}: no fact refers to it, which is no damage.`);
    line(
      `${counted(files, 'file')}, ${sizeText(bytes)}: ${problems.length === 0 ? colours.green('all whole') : colours.red(counted(problems.length, 'problem'))}`,
    );
  }
  return problems.length === 0 ? EXIT.ok : EXIT.refused;
}

async function verified({ data, s3, bucket, db }: VerifyOptions): Promise<Verification> {
  if (data !== undefined) return verifyFolder(data, db);
  if (bucket === undefined) {
    throw new PyralogError('usage', 'What is to be read was not said.', {
      hint: 'Give --data DIR, or --bucket NAME with --s3 URL for the bucket of a cluster.',
    });
  }
  const { bucketOf } = await import('../cluster/bucket.ts');
  const patience = { patienceMillis: PATIENCE_MILLIS };
  await using objects = bucketOf({ url: s3, bucket }, process.env, patience);
  const findings = new Findings();
  await findings.addBucket(objects, db, undefined);
  return findings.orThrow(`The bucket ${bucket}`, db);
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
  const findings = new Findings();
  // The log before the bucket: a blob is put before a record names it.
  const named = new NamedBlobs();
  const [log, bucket] = [join(data, 'log'), join(data, 'bucket')];
  if (await isFolder(log)) findings.addLog(log, db, named);
  if (await isFolder(bucket)) {
    await using objects = await LocalObjects.open({ dir: bucket });
    await findings.addBucket(objects, db, named);
  }
  return findings.orThrow(`The folder ${data}`, db);
}

/** The database whose commit log a topic is, where it is to be read. */
function commitLogOf(topic: string, db: string | undefined): string | undefined {
  if (!topic.endsWith(COMMITS)) return undefined;
  const name = topic.slice(0, -COMMITS.length);
  return isDatabaseName(name) && (db === undefined || db === name) ? name : undefined;
}

class Findings {
  readonly #problems: Problem[] = [];
  readonly #leftOver: string[] = [];
  readonly #unnamed: string[] = [];
  #files = 0;
  #bytes = 0;

  /** Reads the log of a folder, and notes the blobs that its facts refer to. */
  addLog(folder: string, db: string | undefined, named: NamedBlobs): void {
    const damaged: Problem[] = [];
    const onRecord = (topic: string, { offset, value }: StoredRecord): void => {
      const database = commitLogOf(topic, db);
      if (database === undefined || value === null) return;
      try {
        const record = decodeCommitRecord(value, `record ${offset} of ${topic}`);
        if (record.kind === 'items') named.add(database, record.facts);
      } catch (error) {
        if (!isPyralogError(error)) throw error;
        damaged.push({ file: join(folder, topic), problem: error.message });
      }
    };
    for (const { file, topic, bytes, problem } of verifyLocalLog(folder, onRecord))
      if (db === undefined || topic.startsWith(`${db}.`)) this.#add(file, bytes, problem);
    this.#problems.push(...damaged);
  }

  /** @param named by the log; undefined: the log was not read, and may name what nothing in the bucket does */
  async addBucket(
    objects: ObjectStore,
    db: string | undefined,
    named: NamedBlobs | undefined,
  ): Promise<void> {
    const reports = verifyBucket(objects, await createCodec(), db, named);
    for await (const { key, bytes, problem, leftOver, unnamed } of reports) {
      if (leftOver) this.#leftOver.push(key);
      else this.#add(key, bytes, problem);
      if (unnamed === true && named !== undefined) this.#unnamed.push(key);
    }
  }

  /** @throws usage, database-not-found where there was nothing to read */
  orThrow(place: string, db: string | undefined): Verification {
    const [files, bytes, problems] = [this.#files, this.#bytes, this.#problems];
    if (files > 0)
      return { files, bytes, problems, leftOver: this.#leftOver, unnamed: this.#unnamed };
    throw db === undefined
      ? new PyralogError('usage', `${place} holds no database.`)
      : new PyralogError('database-not-found', `${place} holds no database ${db}.`);
  }

  #add(file: string, bytes: number, problem: PyralogError | undefined): void {
    this.#files++;
    this.#bytes += bytes;
    if (problem !== undefined) this.#problems.push({ file, problem: problem.message });
  }
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}
