import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Tx } from 'pyralog';
import type { ClusterDeployment } from './cluster-deployment.ts';
import { commitsFrom, COMMITS } from './cluster-loading.ts';

const WRITERS = 4;
const LOOK_MILLIS = 20;

interface Answer {
  readonly tx: Tx;
  readonly at: number;
}

/**
 * Ends the sequencer that leads, with writers at work and another standing by.
 * @returns milliseconds from the signal to the first answer to a commit of the other one
 */
export async function takeOver(
  cluster: ClusterDeployment,
  database: Database,
  signal: NodeJS.Signals,
): Promise<number> {
  await cluster.addStandby();
  const { end } = await cluster.log.bounds(COMMITS);
  const epochBefore = await epochOf(database);
  const answers: Answer[] = [];
  const stop = new AbortController();
  const writing = Promise.all(
    Array.from({ length: WRITERS }, (_, writer) =>
      write(database, `takeover:${signal}:${writer}`, answers, stop.signal),
    ),
  );
  const answered = async (more: number): Promise<void> => {
    const count = answers.length + more;
    while (answers.length < count) await sleep(LOOK_MILLIS);
  };
  const work = async (): Promise<number> => {
    // Under load, not at its beginning.
    await answered(10 * WRITERS);
    const signalled = performance.now();
    const ended = cluster.endLeader(signal);
    while ((await epochOf(database)) === epochBefore) await sleep(LOOK_MILLIS);
    // At least one of them was sent since.
    await answered(WRITERS + 1);
    stop.abort();
    await ended;
    return signalled;
  };
  const [signalled] = await Promise.all([work(), writing]);
  let first: Tx | undefined;
  for await (const { tx, epoch } of commitsFrom(cluster.log, end, false))
    if (epoch > epochBefore) first ??= tx;
  // Times rise over leaders, so what is at or above its first one is the other's.
  const theirs = answers.filter(({ tx }) => first !== undefined && tx >= first);
  if (theirs.length === 0) throw new Error('nobody has taken over');
  return Math.min(...theirs.map(({ at }) => at)) - signalled;
}

/** Replaces the value of an entity, one transaction after the other, and reads the last one that was answered. */
async function write(
  database: Database,
  entity: string,
  answers: Answer[],
  signal: AbortSignal,
): Promise<void> {
  let n = 0n;
  let last: Tx | undefined;
  while (!signal.aborted) {
    n++;
    const document = JSON.stringify({ ops: [{ entity, n: Number(n) }] });
    const { tx } = await database.transact(Buffer.from(document));
    answers.push({ tx, at: performance.now() });
    last = tx;
  }
  const { attributes } = await database.entity(entity, { await: last });
  const [value] = attributes.get('n')?.values ?? [];
  if (value?.value !== n) throw new Error(`${entity} lost what was answered`);
}

async function epochOf(database: Database): Promise<number> {
  const { partitions } = await database.status();
  return Math.max(...partitions.map(({ epoch }) => epoch));
}
