import { spawnSync } from 'node:child_process';
import { access, constants, mkdtemp, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type DatabaseHost, HttpHost } from '@pyralog/client';
import { isPyralogError } from '@pyralog/model';
import { probeObjectStore } from '@pyralog/objects';
import { LocalObjects } from '@pyralog/objects/local';
import { openEmbedded } from '../embedded.ts';
import type { ClusterSettings } from '../cluster/connect.ts';
import { EXIT } from './context.ts';
import { checkCluster } from './doctor-cluster.ts';
import { hintOf, type Tell, type Verdict, wordsOf } from './verdict.ts';
import { colours, counted, line } from './print.ts';
import { sizeText } from './status.ts';

const FREE_BYTES_WARN = 2 ** 30;

/** Checks one after the other, each with what to do about it. Changes nothing that stays. */
export async function doctor({
  url,
  data,
  json,
  cluster,
}: {
  readonly url: string;
  readonly data?: string | undefined;
  readonly json?: boolean | undefined;
  /** The engines of a cluster, to be looked at instead of a server. */
  readonly cluster: ClusterSettings | undefined;
}): Promise<number> {
  const checks: {
    readonly verdict: Verdict;
    readonly text: string;
    readonly advice: string | undefined;
  }[] = [];
  const tell: Tell = (verdict, text, advice) => {
    checks.push({ verdict, text, advice });
    if (json === true) return;
    const colour = { ok: colours.green, warn: colours.yellow, fail: colours.red }[verdict];
    line(`${colour(verdict.padEnd(4))}  ${text}`);
    if (advice !== undefined) line(`      ${advice}`);
  };
  checkPrograms(tell);
  if (cluster !== undefined) await checkCluster(tell, cluster);
  else if (data === undefined)
    await checkHost(tell, `server at ${url}`, async () => new HttpHost(url));
  else if (await checkFolder(tell, data))
    await checkHost(tell, 'log and bucket', () => openEmbedded({ dir: data }));
  if (json === true) line(JSON.stringify(checks));
  return checks.some(({ verdict }) => verdict === 'fail') ? EXIT.refused : EXIT.ok;
}

function checkPrograms(tell: Tell): void {
  // An older one does not come so far: bin.ts refuses it.
  tell('ok', `Node ${process.version}`);
  const git = spawnSync('git', ['--version'], { encoding: 'utf8' });
  if (git.status === 0) tell('ok', git.stdout.trim());
  else tell('warn', 'git is not on the PATH', 'Only `pyralog import git` needs it.');
}

/** @returns whether it makes sense to open the folder */
async function checkFolder(tell: Tell, dir: string): Promise<boolean> {
  const found = await stat(dir).catch(() => undefined);
  if (found === undefined) {
    tell(
      'fail',
      `There is no folder ${dir}`,
      '`pyralog dev --data DIR` and `pyralog create NAME --data DIR` make it.',
    );
    return false;
  }
  try {
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    tell('ok', `${dir} can be read and written`);
  } catch {
    tell('fail', `${dir} cannot be read and written by this user`, 'Change its owner or its mode.');
    return false;
  }
  const space = await statfs(dir);
  const free = space.bavail * space.bsize;
  if (free >= FREE_BYTES_WARN) tell('ok', `${sizeText(free)} free`);
  else
    tell(
      'warn',
      `only ${sizeText(free)} free`,
      'Writes are refused when the disk is full; reads go on.',
    );
  await probeStore(tell, dir);
  return true;
}

/** Every manifest relies on it: of two writers of one name exactly one may win. */
async function probeStore(tell: Tell, dir: string): Promise<void> {
  const folder = await mkdtemp(join(dir, '.probe-'));
  try {
    await using store = await LocalObjects.open({ dir: folder });
    await probeObjectStore(store, 'the file system');
    tell('ok', 'the file system keeps the first writer of a name');
  } catch (error) {
    if (isPyralogError(error) && error.code === 'store-unfit')
      tell('fail', wordsOf(error), 'Use a local disk, not this kind of network share.');
    else tell('fail', `writing to ${dir} fails: ${wordsOf(error)}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function checkHost(
  tell: Tell,
  what: string,
  open: () => Promise<DatabaseHost>,
): Promise<void> {
  try {
    await using host = await open();
    const names = await host.list();
    tell('ok', `${what}: ${counted(names.length, 'database')}`);
    for (const name of names) await checkDatabase(tell, host, name);
  } catch (error) {
    const locked = isPyralogError(error) && error.code === 'data-locked';
    tell(
      locked ? 'warn' : 'fail',
      `${what}: ${wordsOf(error)}`,
      locked
        ? 'That is as it should be while a server runs; ask it instead: pyralog doctor --url URL.'
        : hintOf(error),
    );
  }
}

async function checkDatabase(tell: Tell, host: DatabaseHost, name: string): Promise<void> {
  try {
    const { mode, version, partitions } = await (await host.database(name)).status();
    const behind = partitions.reduce((sum, { logEnd, indexed }) => sum + logEnd - indexed, 0);
    tell(
      'ok',
      `database ${name}: ${mode}, version ${version}, ${counted(behind, 'record')} in the log alone`,
    );
  } catch (error) {
    tell(
      'fail',
      `database ${name}: ${wordsOf(error)}`,
      hintOf(error) ?? '`pyralog verify --data DIR` names what is damaged.',
    );
  }
}
