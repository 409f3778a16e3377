/** What a process of a cluster looks at before it begins, on a real broker. */
import { createCodec } from '@pyralog/format/zstd';
import { DEFAULT_CUT } from '@pyralog/indexing';
import { MemoryObjects } from '@pyralog/objects/memory';
import { BlockCache } from '@pyralog/reading';
import { type Clock, Health, SystemClock, SystemRand, SystemTimers } from '@pyralog/runtime';
import { expect, inject, test } from 'vitest';
import type { Cluster } from '../../services/pyralog/src/cluster/connect.ts';
import { Databases } from '../../services/pyralog/src/cluster/databases.ts';
import { checkAtStart } from '../../services/pyralog/src/cluster/start-checks.ts';
import { freshName, openLog } from './support.ts';

/** A clock that is off. */
class ShiftedClock extends SystemClock implements Clock {
  readonly #nanos: bigint;
  constructor(millis: number) {
    super();
    this.#nanos = BigInt(millis) * 1_000_000n;
  }
  override nowNanos(): bigint {
    return super.nowNanos() + this.#nanos;
  }
}

async function cluster(clock: Clock): Promise<Cluster> {
  const nobody = (): void => undefined;
  const log = openLog(inject('kafka'), { patienceMillis: 5_000 });
  return {
    ports: {
      log,
      objects: new MemoryObjects(),
      views: undefined,
      codec: await createCodec(),
      cache: new BlockCache(1024),
      clock,
      timers: new SystemTimers(),
      rand: new SystemRand(),
      cutRule: DEFAULT_CUT,
      onFailure: nobody,
      onRecovery: nobody,
      onVoid: nobody,
    },
    log,
    advice: log.advice,
    healths: [],
    bucketName: 'memory',
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

/** @returns what was told until it began, or in 2 s where it did not */
async function started(on: Cluster, leads: boolean): Promise<readonly string[]> {
  const told: string[] = [];
  const stop = new AbortController();
  const health = new Health({
    clock: on.ports.clock,
    onFailure: (error) => {
      told.push((error as { code?: string }).code ?? String(error));
      stop.abort();
    },
    onRecovery: () => told.push('well'),
  });
  await checkAtStart(on, { health, leads, warn: (text) => told.push(text) }, stop.signal);
  return told;
}

test('a clock that is ahead of the broker does not lead; one that is behind, or does not lead, is warned of', async () => {
  await using right = await cluster(new SystemClock());
  expect(await started(right, true)).toEqual([]);
  await using ahead = await cluster(new ShiftedClock(5_000));
  expect(await started(ahead, true)).toEqual(['clock-ahead']);
  expect(await started(ahead, false)).toEqual([expect.stringMatching(/ahead of that of Kafka/)]);
  await using behind = await cluster(new ShiftedClock(-5_000));
  expect(await started(behind, true)).toEqual([expect.stringMatching(/behind that of Kafka/)]);
});

test('settings of topics that endanger data are named', async () => {
  await using on = await cluster(new SystemClock());
  // Databases begin with a letter.
  const name = `d${freshName('').replace(/\.$/, '')}`;
  await using log = openLog(inject('kafka'), {
    topicSettings: () => ({ 'cleanup.policy': 'compact', 'retention.ms': '1000' }),
  });
  await log.createTopic(`${name}.commits`, 1);
  await new Databases(on.ports).create(name, { partitions: 1 });
  const told = await started(on, true);
  expect(
    told.filter((text) => text.startsWith(`${name}.commits has cleanup.policy=compact`)),
  ).toHaveLength(1);
});
