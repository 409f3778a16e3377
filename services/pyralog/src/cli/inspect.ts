import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { databaseOfKey, decodeDatabaseInfo, decodeManifest, verifyRun, verifySegment } from '@pyralog/format';
import { createCodec } from '@pyralog/format/zstd';
import { LocalLog } from '@pyralog/log/local';
import { isPyralogError } from '@pyralog/model';
import { LocalObjects } from '@pyralog/objects/local';
import colours from 'picocolors';
import { EXIT, openHost } from './context.ts';
import { line } from './print.ts';

/** Reads every file of a folder and checks all of its checksums. */
export async function verify({ data, json }: { readonly data: string; readonly json?: boolean }): Promise<number> {
  const problems: { readonly file: string; readonly problem: string }[] = [];
  let files = 0;
  let bytes = 0;
  const seen = (file: string, size: number, check: () => void): void => {
    files++;
    bytes += size;
    try {
      check();
    } catch (error) {
      problems.push({ file, problem: isPyralogError(error) ? error.message : String(error) });
    }
  };
  // Without the lock: a running server only adds to what is read here.
  const log = await LocalLog.open({ dir: join(data, 'log'), readOnly: true });
  for (const { file, bytes: size, problem } of log.verify()) {
    seen(file, size, () => {
      if (problem !== undefined) throw problem;
    });
  }
  await log[Symbol.asyncDispose]();
  const objects = await LocalObjects.open({ dir: join(data, 'bucket') });
  const codec = await createCodec();
  for await (const { key } of objects.list('')) {
    const content = (await objects.get(key)) ?? new Uint8Array(0);
    seen(key, content.length, () => {
      if (databaseOfKey(key) !== undefined) decodeDatabaseInfo(content, key);
      else if (key.endsWith('.run')) verifyRun(content, codec, key);
      else if (key.endsWith('.arrow')) verifySegment(content, codec, key);
      else if (key.includes('/manifest/')) decodeManifest(content, key);
    });
  }
  if (json === true) line(JSON.stringify({ files, bytes, problems }));
  else {
    for (const { problem } of problems) line(`${colours.red('damaged')}  ${problem}`);
    line(`${files} files, ${bytes} bytes: ${problems.length === 0 ? colours.green('all whole') : colours.red(`${problems.length} damaged`)}`);
  }
  return problems.length === 0 ? EXIT.ok : EXIT.refused;
}

type Verdict = 'ok' | 'warn' | 'fail';

/** Checks one after the other, each with what to do about it. */
export async function doctor({ url, data }: { readonly url: string; readonly data?: string }): Promise<number> {
  const verdicts: Verdict[] = [];
  const tell = (verdict: Verdict, text: string): void => {
    verdicts.push(verdict);
    const colour = { ok: colours.green, warn: colours.yellow, fail: colours.red }[verdict];
    line(`${colour(verdict.padEnd(4))}  ${text}`);
  };
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > 20 || (major === 20 && minor >= 19);
  tell(fits ? 'ok' : 'fail', `Node ${process.version}${fits ? '' : '; 20.19 or later is needed'}`);
  if (data !== undefined) {
    const space = await statfs(data).catch(() => undefined);
    if (space === undefined) tell('fail', `${data} is not there, or cannot be read`);
    else {
      const free = (space.bavail * space.bsize) / 2 ** 30;
      tell(free < 1 ? 'warn' : 'ok', `${free.toFixed(1)} GiB free at ${data}${free < 1 ? '; writes stop when the disk is full' : ''}`);
    }
  }
  try {
    await using host = await openHost({ url, data, db: 'main' });
    for (const name of await host.list()) {
      const status = await (await host.database(name)).status();
      const behind = status.partitions.reduce((sum, { logEnd, indexed }) => sum + logEnd - indexed, 0);
      tell('ok', `database ${name}: ${status.mode}, ${behind} records behind the index`);
    }
    tell('ok', data === undefined ? `server at ${url}` : 'log and bucket open');
  } catch (error) {
    tell('fail', isPyralogError(error) ? `${error.message} ${error.hint ?? ''}` : String(error));
  }
  return verdicts.includes('fail') ? EXIT.refused : EXIT.ok;
}
