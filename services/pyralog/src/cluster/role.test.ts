import { createCodec } from '@pyralog/format/zstd';
import { DEFAULT_CUT } from '@pyralog/indexing';
import type { GroupAdvice } from '@pyralog/log';
import { MemoryLog } from '@pyralog/log/memory';
import { type PartitionNo, partitionNo } from '@pyralog/model';
import { MemoryObjects } from '@pyralog/objects/memory';
import { BlockCache } from '@pyralog/reading';
import { SystemClock, SystemRand, SystemTimers } from '@pyralog/runtime';
import { expect, test } from 'vitest';
import { Databases } from './databases.ts';
import type { ClusterPorts } from './ports.ts';
import { type Assignment, Role } from './role.ts';

async function ports(): Promise<ClusterPorts> {
  const nobody = (): void => undefined;
  return {
    log: new MemoryLog(),
    objects: new MemoryObjects(),
    views: undefined,
    codec: await createCodec(),
    cache: new BlockCache(1024),
    clock: new SystemClock(),
    timers: new SystemTimers(),
    rand: new SystemRand(),
    cutRule: DEFAULT_CUT,
    onFailure: nobody,
    onRecovery: nobody,
    onVoid: nobody,
  };
}

/** Advice as a test gives it. */
class ToldAdvice implements GroupAdvice {
  readonly joined: string[] = [];
  readonly left: string[] = [];
  #tell: (partitions: ReadonlySet<PartitionNo>) => void = () => undefined;
  #next: Promise<ReadonlySet<PartitionNo>> = this.#renew();

  tell(...partitions: number[]): void {
    const tell = this.#tell;
    this.#next = this.#renew();
    tell(new Set(partitions.map(partitionNo)));
  }

  async *join(
    group: string,
    topic: string,
    signal?: AbortSignal,
  ): AsyncIterable<ReadonlySet<PartitionNo>> {
    this.joined.push(`${group} of ${topic}`);
    const ended = new Promise<undefined>((resolve) => {
      signal?.addEventListener('abort', () => resolve(undefined));
    });
    try {
      for (;;) {
        const advice = await Promise.race([this.#next, ended]);
        if (advice === undefined) return;
        yield advice;
      }
    } finally {
      this.left.push(group);
    }
  }

  #renew(): Promise<ReadonlySet<PartitionNo>> {
    return new Promise((resolve) => (this.#tell = resolve));
  }
}

/** What was begun and ended, in order; the end of a partition waits to be let go. */
class World {
  readonly events: string[] = [];
  readonly advice = new ToldAdvice();
  readonly #holds = new Map<string, Promise<void>>();

  /** The work on a partition will not end before the result is called. */
  hold(name: string): () => void {
    let letGo = (): void => undefined;
    this.#holds.set(name, new Promise((resolve) => (letGo = resolve)));
    return letGo;
  }

  begin = ({ info, partition }: Assignment) => {
    const name = `${info.name}/${partition}`;
    this.events.push(`begin ${name}`);
    return {
      failures: () => [],
      [Symbol.asyncDispose]: async () => {
        await this.#holds.get(name);
        this.events.push(`end ${name}`);
      },
    };
  };
}

const start = (world: World, on: ClusterPorts, database?: string): Role =>
  Role.start({ name: 'sequencer', advice: world.advice, database, begin: world.begin }, on);

test('works on what it is advised to, of databases that are there and that are made', async () => {
  const on = await ports();
  await new Databases(on).create('one', {});
  const world = new World();
  {
    await using role = start(world, on);
    await expect
      .poll(() => world.advice.joined)
      .toEqual(['pyralog.sequencer.one of one.transactions']);
    world.advice.tell(0, 3);
    await expect.poll(() => world.events).toEqual(['begin one/0', 'begin one/3']);
    expect(role.partitions).toEqual(['one/0', 'one/3']);
    expect(role.troubles()).toEqual([]);
    await new Databases(on).create('two', {});
    await expect.poll(() => world.advice.joined).toHaveLength(2);
    world.advice.tell(3);
    await expect.poll(() => role.partitions).toEqual(['one/3', 'two/3']);
    expect(world.events.slice(2).sort()).toEqual(['begin two/3', 'end one/0']);
  }
  expect(world.events.slice(4).sort()).toEqual(['end one/3', 'end two/3']);
  expect(world.advice.left.sort()).toEqual(['pyralog.sequencer.one', 'pyralog.sequencer.two']);
});

test('serves one database where it is told so', async () => {
  const on = await ports();
  const world = new World();
  await using _role = start(world, on, 'two');
  for (const name of ['one', 'two']) await new Databases(on).create(name, {});
  await expect
    .poll(() => world.advice.joined)
    .toEqual(['pyralog.sequencer.two of two.transactions']);
});

test('a partition that comes back is begun when its work has ended, and not before', async () => {
  const on = await ports();
  await new Databases(on).create('one', {});
  const world = new World();
  await using role = start(world, on);
  await expect.poll(() => world.advice.joined).toHaveLength(1);
  const letGo = world.hold('one/0');
  world.advice.tell(0);
  await expect.poll(() => world.events).toEqual(['begin one/0']);
  world.advice.tell();
  await expect.poll(() => role.partitions).toEqual([]);
  world.advice.tell(0);
  await new Promise((resolve) => setImmediate(resolve));
  expect(world.events).toEqual(['begin one/0']);
  letGo();
  await expect.poll(() => world.events).toEqual(['begin one/0', 'end one/0', 'begin one/0']);
});

test('one that came back and went again before its work had ended is not begun', async () => {
  const on = await ports();
  await new Databases(on).create('one', {});
  const world = new World();
  await using role = start(world, on);
  await expect.poll(() => world.advice.joined).toHaveLength(1);
  const letGo = world.hold('one/0');
  for (const partitions of [[0], [], [0], []]) {
    world.advice.tell(...partitions);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  letGo();
  await expect.poll(() => world.events).toContain('end one/0');
  await new Promise((resolve) => setImmediate(resolve));
  expect(world.events.filter((event) => event === 'begin one/0')).toHaveLength(
    world.events.filter((event) => event === 'end one/0').length,
  );
  expect(role.partitions).toEqual([]);
});
