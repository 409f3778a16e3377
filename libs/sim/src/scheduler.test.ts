import { describe, expect, test } from 'vitest';
import { ExhaustiveChoices, seededChoices, tapeChoices } from './choice.ts';
import { guarded } from './guards.ts';
import { SimProcess } from './process.ts';
import { Scheduler } from './scheduler.ts';
import { SimClock, SimRand, SimTimers } from './time.ts';

const calm = tapeChoices({});

function world(choices = calm): { scheduler: Scheduler; process: (name: string) => SimProcess } {
  const scheduler = new Scheduler({ choice: choices.stream('scheduler') });
  return {
    scheduler,
    process: (name) => new SimProcess(name, scheduler, choices.stream(name)),
  };
}

describe('a scheduler', () => {
  test('what is due first happens first, and of what is due at once every order is a choice', async () => {
    const orders = new Set<string>();
    for (const all = new ExhaustiveChoices(); all.next();) {
      const { scheduler, process } = world(all);
      const order: string[] = [];
      for (const name of ['a', 'b', 'c'])
        scheduler.enqueue(process(name), 'x', 1_000, () => order.push(name));
      scheduler.enqueue(process('d'), 'x', 999_000, () => order.push('late'));
      await scheduler.idle(10);
      orders.add(order.join(' '));
      expect([scheduler.steps, scheduler.nowMicros]).toEqual([4, 999_000]);
      expect(scheduler.interleavedPicks).toBe(2);
    }
    expect([...orders].sort()).toEqual([
      'a b c late',
      'a c b late',
      'b a c late',
      'b c a late',
      'c a b late',
      'c b a late',
    ]);
  });

  test('all code that can run has run before anything else happens', async () => {
    const { scheduler, process } = world();
    const seen: string[] = [];
    const chain = async (name: string): Promise<void> => {
      await new SimTimers(process(name)).sleep(1);
      for (let i = 0; i < 100; i++) await Promise.resolve();
      seen.push(name);
    };
    void chain('a');
    scheduler.enqueue(process('b'), 'x', 1_000, () => seen.push('b'));
    await scheduler.idle(10);
    expect(seen).toEqual(['a', 'b']);
  });

  test('the same choices give the same trace, and others another', async () => {
    const hashOf = async (seed: number): Promise<string> => {
      const { scheduler, process } = world(seededChoices(seed));
      for (const name of ['a', 'b', 'c']) {
        const timers = new SimTimers(process(name));
        void (async () => {
          for (let i = 0; i < 20; i++) await timers.sleep(i % 3);
        })();
      }
      await scheduler.idle(100);
      return scheduler.traceHash;
    };
    expect(await hashOf(1)).toBe(await hashOf(1));
    expect(await hashOf(1)).not.toBe(await hashOf(2));
  });

  test('a run that does not come to its end says who waits for what', async () => {
    const { scheduler, process } = world();
    const one = process('one');
    const forever = (): void => void scheduler.enqueue(one, 'again', 500, forever);
    forever();
    await expect(scheduler.run(() => false, 5)).rejects.toThrow(
      /not within 5 steps; at 2.5 ms[^]*one: again \(\+0.5 ms\)/,
    );
    one.kill();
    await expect(scheduler.run(() => false, 5)).rejects.toThrow('nothing is pending');
  });

  test('time, timers and chance that are no ports are refused and told while a simulation runs', async () => {
    const { scheduler, process } = world();
    const told: string[] = [];
    const crashed: unknown[] = [];
    scheduler.enqueue(process('guilty'), 'x', 0, () => {
      void (async () => Date.now())();
    });
    await guarded(
      scheduler,
      {
        onForbidden: (what) => told.push(what),
        onCrash: (owner, error) => crashed.push([owner?.name, String(error)]),
      },
      () => scheduler.run(() => crashed.length > 0, 5),
    );
    expect(told).toEqual(['guilty used Date.now']);
    expect(crashed).toEqual([['guilty', 'Error: Date.now in a simulation: use the port.']]);
    expect(Date.now()).toBeGreaterThan(0);
  });
});

describe('a process', () => {
  test('one that is killed never goes on, and what it has sent may arrive', async () => {
    const fates = new Set<string>();
    for (const all = new ExhaustiveChoices(); all.next();) {
      const scheduler = new Scheduler({ choice: calm.stream('scheduler') });
      const process = new SimProcess('victim', scheduler, all.stream());
      const seen: string[] = [];
      void process
        .request({ label: 'put', thereMicros: 500, backMicros: 500 }, () => seen.push('landed'))
        .finally(() => seen.push('answered'));
      void new SimTimers(process).sleep(1).then(() => seen.push('slept'));
      await scheduler.run(() => true, 1);
      process.kill();
      // Whoever paused it may still want it to go on.
      process.resume();
      await scheduler.idle(10);
      expect(seen).not.toContain('answered');
      expect(seen).not.toContain('slept');
      fates.add(`${seen.join()} at ${scheduler.nowMicros / 1000}`);
    }
    expect([...fates].sort()).toEqual([
      ' at 0',
      'landed at 0.5',
      'landed at 2000',
      'landed at 4000',
      'landed at 6000',
      'landed at 8000',
    ]);
  });

  test('one that stood still finds everything that came meanwhile, and time gone on', async () => {
    const { scheduler, process } = world();
    const zombie = process('zombie');
    const seen: string[] = [];
    const clock = new SimClock(zombie);
    for (const millis of [1, 2])
      void new SimTimers(zombie)
        .sleep(millis)
        .then(() => seen.push(`${millis} at ${clock.monotonicMillis()}`));
    zombie.pause();
    scheduler.enqueue(process('other'), 'x', 60_000_000, () => zombie.resume());
    await scheduler.idle(10);
    expect(seen).toEqual(['1 at 60000', '2 at 60000']);
  });

  test('it draws what its name and one choice say: two are never the same, however calm', () => {
    const drawn = (name: string, pick: number): string => {
      const choice = { pick: () => pick, chance: () => false };
      const { scheduler } = world();
      return new SimRand(new SimProcess(name, scheduler, choice)).bytes(16).join();
    };
    expect(drawn('a', 0)).toBe(drawn('a', 0));
    expect(new Set([drawn('a', 0), drawn('a#2', 0), drawn('b', 0), drawn('a', 1)]).size).toBe(4);
  });

  test('its clock is what it was set to, and its timers do not notice', async () => {
    const { scheduler, process } = world();
    const one = process('one');
    const clock = new SimClock(one);
    const before = clock.nowNanos();
    one.clockOffsetNanos = -3_600_000_000_000n;
    await Promise.all([new SimTimers(one).sleep(5), scheduler.idle(5)]);
    expect(clock.nowNanos() - before).toBe(-3_599_995_000_000n);
    expect(clock.monotonicMillis()).toBe(5);
  });
});
