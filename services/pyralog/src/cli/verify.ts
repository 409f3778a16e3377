import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createCodec } from '@pyralog/format/zstd';
import { verifyLocalLog } from '@pyralog/log/local';
import { PyralogError } from '@pyralog/model';
import { LocalObjects } from '@pyralog/objects/local';
import { verifyBucket } from '@pyralog/reading';
import { checkFolder, EXIT } from './context.ts';
import { colours, counted, line } from './print.ts';
import { sizeText } from './status.ts';

interface Problem {
  readonly file: string;
  readonly problem: string;
}

/** What a full read of a data folder found. */
interface Verification {
  readonly files: number;
  readonly bytes: number;
  readonly problems: readonly Problem[];
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
  const { files, bytes, problems } = found;
  if (json === true) line(JSON.stringify(found));
  else {
    for (const { problem } of problems) line(`${colours.red('damaged')}  ${problem}`);
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
  let files = 0;
  let bytes = 0;
  const seen = (file: string, size: number, problem: PyralogError | undefined): void => {
    files++;
    bytes += size;
    if (problem !== undefined) problems.push({ file, problem: problem.message });
  };
  const [log, bucket] = [join(data, 'log'), join(data, 'bucket')];
  if (await isFolder(log)) {
    for (const { file, topic, bytes: size, problem } of verifyLocalLog(log))
      if (db === undefined || topic.startsWith(`${db}.`)) seen(file, size, problem);
  }
  if (await isFolder(bucket)) {
    await using objects = await LocalObjects.open({ dir: bucket });
    for await (const { key, bytes: size, problem } of verifyBucket(
      objects,
      await createCodec(),
      db,
    ))
      seen(key, size, problem);
  }
  if (files === 0) throw nothingIn(data, db);
  return { files, bytes, problems };
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
