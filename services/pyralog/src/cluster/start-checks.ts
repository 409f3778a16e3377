import type { DatabaseInfo } from '@pyralog/format';
import type { TopicFinding } from '@pyralog/log/kafka';
import { isPyralogError, logOffset, partitionNo, PyralogError } from '@pyralog/model';
import { probeObjectStore } from '@pyralog/objects';
import { Bucket } from '@pyralog/reading';
import { Backoff, type Health, type PauseRule, Supervisor } from '@pyralog/runtime';
import { checkLogReach } from '@pyralog/service-sequencer';
import type { Cluster } from './connect.ts';
import { Databases } from './databases.ts';
import type { ClusterPorts } from './ports.ts';
import { at, DATABASES_TOPIC, topicsOf } from './topics.ts';

/** What a process is that starts. */
export interface StartOptions {
  readonly health: Health;
  /** Whether it will give transactions their times. */
  readonly leads: boolean;
  readonly warn: (text: string) => void;
}

const PAUSES: PauseRule = { firstMillis: 250, maxMillis: 5_000 };

/**
 * Whether the engines are what the cluster needs, before anything is done with them: waits for those that do
 * not answer. Ends at the signal, whatever it waits for.
 * @throws PyralogError `store-unfit`, `log-behind`, `format-unknown`, … with what to do about it
 */
export async function checkAtStart(
  cluster: Cluster,
  { health, leads, warn }: StartOptions,
  signal: AbortSignal,
): Promise<void> {
  const { timers, rand } = cluster.ports;
  const backoff = new Backoff(PAUSES, rand);
  while (!signal.aborted) {
    try {
      await settledOrAborted(check(cluster, leads, warn), signal);
      if (!signal.aborted) health.working();
      return;
    } catch (error) {
      if (!isPyralogError(error) || error.row.category !== 'unavailable') throw error;
      health.failed(error);
      await timers.sleep(backoff.next(), signal);
    }
  }
}

/** Resolves at the signal too; what goes on then ends when the engines are closed. */
async function settledOrAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => (stop = resolve));
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    promise.catch(() => undefined);
  }
}

/**
 * Asks Redis until it answers. Nobody waits for that: while it is away, views are behind and nothing else is.
 * @returns undefined where no views are kept
 */
export function watchViews(
  { views, ...ports }: ClusterPorts,
  health: Health,
): AsyncDisposable | undefined {
  if (views === undefined) return undefined;
  const run = async (signal: AbortSignal, working: () => void): Promise<void> => {
    await views.ping();
    working();
    // From now on who writes views tells how they are.
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  };
  return Supervisor.start({ run }, { ...ports, health, pauses: PAUSES });
}

/** How far a clock may be from that of a broker. */
const SKEW_MILLIS_MAX = 500;

/** Txs come from the clock: of one that is ahead, all others would have to follow it. */
async function checkClock(
  { ports: { clock }, log }: Cluster,
  leads: boolean,
  warn: (text: string) => void,
): Promise<void> {
  const before = Number(clock.nowNanos() / 1_000_000n);
  const there = await log.timeAt(at(DATABASES_TOPIC, partitionNo(0)));
  const after = Number(clock.nowNanos() / 1_000_000n);
  if (there === undefined) return;
  const [ahead, behind] = [before - there, there - after];
  if (ahead <= SKEW_MILLIS_MAX && behind <= SKEW_MILLIS_MAX) return;
  const text = `The clock of this machine is ${Math.max(ahead, behind)} ms ${ahead > 0 ? 'ahead of' : 'behind'} that of Kafka.`;
  const hint = 'Synchronize the clocks of all machines (NTP).';
  if (ahead > SKEW_MILLIS_MAX && leads) throw new PyralogError('clock-ahead', text, { hint });
  warn(`${text} ${hint}`);
}

async function check(
  cluster: Cluster,
  leads: boolean,
  warn: (text: string) => void,
): Promise<void> {
  const { ports, log, bucketName } = cluster;
  await probeObjectStore(ports.objects, bucketName);
  await log.createTopic(DATABASES_TOPIC, 1);
  await checkClock(cluster, leads, warn);
  const databases = new Databases(ports);
  for (const name of await databases.list()) {
    try {
      await checkLogs(cluster, await databases.info(name));
    } catch (error) {
      if (!isPyralogError(error) || error.code !== 'not-found') throw error;
      warn(
        `The database ${name} has no topics. \`pyralog create ${name}\` makes them, if it never had any.`,
      );
      continue;
    }
    const findings = await log.checkTopics(Object.values(topicsOf(name)));
    for (const finding of findings) warn(`${wordsOfFinding(finding)} ${finding.cure}`);
  }
}

/** What is dangerous about a topic, in a sentence. */
export function wordsOfFinding({ topic, setting, value, danger }: TopicFinding): string {
  return `${topic} has ${setting}=${value}: ${danger}`;
}

/**
 * The log must hold everything that the bucket does not (design section 5).
 * @throws PyralogError `log-behind`
 */
export async function checkLogs(
  { ports: { objects, codec }, log }: Cluster,
  { name, partitions }: DatabaseInfo,
): Promise<void> {
  const bucket = new Bucket(name, objects, codec);
  for (let p = 0; p < partitions; p++) {
    const manifest = await bucket.newestManifest(partitionNo(p));
    const commits = at(topicsOf(name).commits, partitionNo(p));
    checkLogReach(commits, manifest?.state.next ?? logOffset(0), await log.bounds(commits));
  }
}
