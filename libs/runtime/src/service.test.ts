import { expect, test } from 'vitest';
import { Backoff } from './backoff.ts';
import { Health } from './health.ts';
import type { Clock, Timers } from './ports.ts';
import { SeededRand } from './rand.ts';
import { Supervisor } from './service.ts';

const PAUSES = { firstMillis: 100, maxMillis: 1_000 };

/** Time that moves when somebody sleeps, and notes for how long. */
class SleptTime implements Clock, Timers {
  nowMillis = 0;
  readonly sleeps: number[] = [];

  nowNanos(): bigint {
    return BigInt(Math.round(this.nowMillis * 1e6));
  }

  monotonicMillis(): number {
    return this.nowMillis;
  }

  async sleep(delayMillis: number): Promise<void> {
    this.sleeps.push(delayMillis);
    this.nowMillis += delayMillis;
  }

  immediate(): Promise<void> {
    return Promise.resolve();
  }

  after(): Disposable {
    throw new Error('nobody asks for it');
  }
}

/** Runs steps, one an attempt; the supervisor is stopped behind the last. */
async function supervised(
  steps: readonly ((time: SleptTime, working: () => void) => Promise<void>)[],
): Promise<{ readonly told: string[]; readonly time: SleptTime; readonly health: Health }> {
  const time = new SleptTime();
  const told: string[] = [];
  const health = new Health({
    clock: time,
    onFailure: (error) => told.push(`failed: ${(error as Error).message}`),
    onRecovery: () => told.push('recovered'),
  });
  let attempt = 0;
  await new Promise<void>((resolve) => {
    const supervisor = Supervisor.start(
      {
        async run(_signal, working) {
          const step = steps[attempt++];
          if (step !== undefined) return step(time, working);
          void supervisor[Symbol.asyncDispose]().then(resolve);
        },
      },
      { health, pauses: PAUSES, clock: time, timers: time, rand: new SeededRand(1) },
    );
  });
  return { told, time, health };
}

const failing =
  (message: string, code = 'EIO') =>
  (): Promise<void> =>
    Promise.reject(Object.assign(new Error(message), { code }));

test('pauses double up to their bound, shortened by no more than a half', () => {
  const backoff = new Backoff(PAUSES, new SeededRand(7));
  const bounds = [100, 200, 400, 800, 1_000, 1_000];
  const pauses = bounds.map(() => backoff.next());
  pauses.forEach((pause, i) => {
    expect(pause).toBeGreaterThan((bounds[i] as number) / 2);
    expect(pause).toBeLessThanOrEqual(bounds[i] as number);
  });
  backoff.reset();
  expect(backoff.next()).toBeLessThanOrEqual(100);
});

test('a service that fails is run again, and its failure is told once until it works', async () => {
  const { told, time, health } = await supervised([
    failing('at byte 1'),
    failing('at byte 2'),
    failing('no room', 'ENOSPC'),
    async (_time, working) => {
      working();
      working();
      throw new Error('later');
    },
    async (_time, working) => working(),
  ]);
  expect(told).toEqual([
    'failed: at byte 1',
    'failed: no room',
    'recovered',
    'failed: later',
    'recovered',
    'failed: ended without being told',
  ]);
  expect(time.sleeps).toHaveLength(5);
  expect(health.failure?.error).toBeInstanceOf(Error);
});

test('a failure is as old as its first attempt', async () => {
  const { health, time } = await supervised([failing('a'), failing('b'), failing('c')]);
  expect(health.failure?.sinceNanos).toBe(0n);
  expect(health.failure?.error).toMatchObject({ message: 'c' });
  expect(time.nowMillis).toBeGreaterThan(300);
});

test('only one that has worked for a while is begun anew at full speed', async () => {
  const soon = async (_time: SleptTime, working: () => void): Promise<void> => {
    working();
    throw new Error('soon');
  };
  const late = async (time: SleptTime, working: () => void): Promise<void> => {
    working();
    time.nowMillis += PAUSES.maxMillis;
    throw new Error('late');
  };
  const { time } = await supervised([soon, soon, soon, late, soon]);
  const [, , third, fourth, fifth] = time.sleeps as [number, number, number, number, number];
  expect(third).toBeGreaterThan(200);
  expect(fourth).toBeLessThanOrEqual(100);
  expect(fifth).toBeLessThanOrEqual(200);
});

test('being told to stop ends the pause, and nothing is run after it', async () => {
  const time = new SleptTime();
  let runs = 0;
  let paused = (): void => undefined;
  const pausing = new Promise<void>((resolve) => (paused = resolve));
  const timers: Timers = {
    immediate: () => Promise.resolve(),
    after: () => time.after(),
    sleep: (_millis, signal) =>
      new Promise((resolve) => {
        signal?.addEventListener('abort', () => resolve(), { once: true });
        paused();
      }),
  };
  const supervisor = Supervisor.start(
    {
      run: () => {
        runs++;
        return Promise.reject(new Error('no'));
      },
    },
    {
      health: new Health({ clock: time, onFailure: () => undefined, onRecovery: () => undefined }),
      pauses: PAUSES,
      clock: time,
      timers,
      rand: new SeededRand(1),
    },
  );
  await pausing;
  await supervisor[Symbol.asyncDispose]();
  expect(runs).toBe(1);
});
