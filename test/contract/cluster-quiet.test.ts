/** A database that nobody writes to: what failed behind it is known to work again without anybody's help. */
import type { LogReadOptions, LogRecord, StoredRecord, TopicPartition } from '@pyralog/log';
import { MemoryLog } from '@pyralog/log/memory';
import { type LogOffset, partitionNo, PyralogError } from '@pyralog/model';
import { Bucket } from '@pyralog/reading';
import { SystemClock } from '@pyralog/runtime';
import { afterAll, expect, test } from 'vitest';
import { ClusterOfOne } from './cluster-host.ts';
import { commit, create, write } from './database-support.ts';
import { SharedThread } from './shared-thread.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const P = partitionNo(0);
const PATIENCE = { timeout: 20_000 };
/** The index has nothing for the length of a test. */
const NO_RECORD = { factsMax: 1e9, bytesMax: 1e9 };
/** Where the index has all that is in the log, who begins anew finds nothing to read. */
const EVERY_RECORD = { factsMax: 1, bytesMax: 1e9 };

/** A log that cannot be reached while a test wants it so: what is being read breaks off. */
class FarLog extends MemoryLog {
  #away = new AbortController();

  leave(): void {
    this.#away.abort();
  }

  comeBack(): void {
    this.#away = new AbortController();
  }

  override async append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    this.#check();
    return super.append(at, records);
  }

  override async bounds(at: TopicPartition): ReturnType<MemoryLog['bounds']> {
    this.#check();
    return super.bounds(at);
  }

  override async *read(
    at: TopicPartition,
    from: LogOffset,
    { signal, ...options }: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    const away = this.#away.signal;
    this.#check();
    const ends = AbortSignal.any(signal === undefined ? [away] : [away, signal]);
    yield* super.read(at, from, { ...options, signal: ends });
    if (away.aborted && signal?.aborted !== true) throw gone();
  }

  #check(): void {
    if (this.#away.signal.aborted) throw gone();
  }
}

function gone(): PyralogError {
  return new PyralogError('unreachable', 'There is no broker.');
}

test('I14 all that cannot read the log while it is away can when it is back, though nothing is in it', async () => {
  const failing: string[] = [];
  const log = new FarLog();
  const told = (text: string): void => {
    const recovered = / is (read|written|joined|led) again$/.exec(text);
    if (recovered === null) failing.push(text.replace(/ cannot be \w+$/, ''));
    else failing.splice(failing.indexOf(text.slice(0, recovered.index)), 1);
  };
  await using cluster = await ClusterOfOne.start(threads, EVERY_RECORD, told, log);
  // In import mode nobody moves time on either.
  const database = await create(cluster, 'main', { mode: 'import', partitions: 1 });
  await write(database, { entity: 'e:1', n: 1 });
  await expect
    .poll(() => log.bounds({ topic: 'main.changes', partition: P }), PATIENCE)
    .toMatchObject({ end: 1 });
  const bucket = new Bucket('main', cluster.ports.objects, cluster.ports.codec);
  const { end } = await log.bounds({ topic: 'main.commits', partition: P });
  await expect.poll(async () => (await bucket.newestManifest(P))?.state.next, PATIENCE).toBe(end);
  log.leave();
  await expect
    .poll(() => failing.toSorted((a, b) => (a < b ? -1 : 1)), PATIENCE)
    .toEqual([
      // Of the node, and of the indexer, which makes changes and views from it.
      'The commit log of main',
      'The commit log of main',
      'The index of main/0',
      'The input of main/0',
      // Of both roles.
      'The list of databases',
      'The list of databases',
      'The requests to main/0',
      'The topic main.rejects',
    ]);
  log.comeBack();
  await expect.poll(() => failing, PATIENCE).toEqual([]);
  await write(database, { entity: 'e:1', n: 2 });
});

test('the time of an imported database goes on when it is live, before the index knows of it', async () => {
  const troubles: string[] = [];
  await using cluster = await ClusterOfOne.start(threads, NO_RECORD, (what) => troubles.push(what));
  const database = await create(cluster, 'main', { mode: 'import', partitions: 2 });
  await commit(database, { ops: [{ entity: 'e:1', n: 1 }], at: '2001-01-01T00:00:00Z' });
  await database.goLive();
  // Partitions that follow one another come to the time of the last of them, and no further.
  const later = new SystemClock().nowNanos() + 1_000_000_000n;
  const isLater = async (): Promise<boolean> => {
    const { partitions } = await database.status();
    return partitions.length === 2 && partitions.every(({ closed }) => closed > later);
  };
  await expect.poll(isLater, PATIENCE).toBe(true);
  expect(troubles).toEqual([]);
});
