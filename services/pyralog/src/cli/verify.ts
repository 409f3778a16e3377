import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createCodec } from '@pyralog/format/zstd';
import { verifyLocalLog } from '@pyralog/log/local';
import { PyralogError } from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import { LocalObjects } from '@pyralog/objects/local';
import { verifyBucket } from '@pyralog/reading';
import { checkFolder, EXIT } from './context.ts';
import { colours, counted, line } from './print.ts';
import { sizeText } from './status.ts';

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
  const { files, bytes, problems, leftOver } = found;
  if (options.json === true) line(JSON.stringify(found));
  else {
    for (const { problem } of problems) line(`${colours.red('damaged')}  ${problem}`);
    for (const file of leftOver)
      line(`${colours.yellow('left over')}  ${file}, an upload that was cut off; nothing needs it`);
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
  await findings.addBucket(objects, db);
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
  const [log, bucket] = [join(data, 'log'), join(data, 'bucket')];
  if (await isFolder(log)) {
    for (const { file, topic, bytes, problem } of verifyLocalLog(log))
      if (db === undefined || topic.startsWith(`${db}.`)) findings.add(file, bytes, problem);
  }
  if (await isFolder(bucket)) {
    await using objects = await LocalObjects.open({ dir: bucket });
    await findings.addBucket(objects, db);
  }
  return findings.orThrow(`The folder ${data}`, db);
}

class Findings {
  readonly #problems: Problem[] = [];
  readonly #leftOver: string[] = [];
  #files = 0;
  #bytes = 0;

  add(file: string, bytes: number, problem: PyralogError | undefined): void {
    this.#files++;
    this.#bytes += bytes;
    if (problem !== undefined) this.#problems.push({ file, problem: problem.message });
  }

  async addBucket(objects: ObjectStore, db: string | undefined): Promise<void> {
    const codec = await createCodec();
    for await (const { key, bytes, problem, leftOver } of verifyBucket(objects, codec, db)) {
      if (leftOver) this.#leftOver.push(key);
      else this.add(key, bytes, problem);
    }
  }

  /** @throws usage, database-not-found where there was nothing to read */
  orThrow(place: string, db: string | undefined): Verification {
    const [files, bytes] = [this.#files, this.#bytes];
    if (files > 0) return { files, bytes, problems: this.#problems, leftOver: this.#leftOver };
    throw db === undefined
      ? new PyralogError('usage', `${place} holds no database.`)
      : new PyralogError('database-not-found', `${place} holds no database ${db}.`);
  }
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}
