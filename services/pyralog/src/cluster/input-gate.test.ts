import { PyralogError } from '@pyralog/model';
import type { Timers } from '@pyralog/runtime';
import { expect, test } from 'vitest';
import { BEHIND_MILLIS_MAX, InputGate, ROOM_MILLIS_MAX, STALLED_MILLIS_MAX } from './input-gate.ts';

/** Timers whose time passes when a test says so. */
class SetTimers implements Timers {
  #millis = 0;
  readonly #timers = new Set<{ readonly at: number; readonly call: () => void }>();

  sleep(): Promise<void> {
    throw new Error('nobody asks for it');
  }

  immediate(): Promise<void> {
    throw new Error('nobody asks for it');
  }

  after(delayMillis: number, call: () => void): Disposable {
    const timer = { at: this.#millis + delayMillis, call };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  }

  pass(millis: number): void {
    this.#millis += millis;
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.#millis)) {
      this.#timers.delete(timer);
      timer.call();
    }
  }
}

/** A gate, what it goes by, and what came through. */
class World {
  readonly timers = new SetTimers();
  hasRoom = true;
  waits = { oldestMillis: 0, stalledMillis: 0 };
  /** Numbers of inputs, in the order in which they were published. */
  readonly published: number[] = [];
  readonly #answers: (() => void)[] = [];
  readonly gate = new InputGate({
    timers: this.timers,
    bounds: { documents: 3, bytes: 100 },
    hasRoom: () => this.hasRoom,
    noRoom: () => new PyralogError('busy', 'There is no room.'),
    waits: () => this.waits,
    late: () => new PyralogError('busy', 'There is no outcome.'),
  });

  /** Sends an input, whose outcome comes when it is told to. @returns its number, or why it was refused */
  send(number: number, bytes = 1): Promise<string> {
    return this.gate
      .pass(bytes, () => {
        this.published.push(number);
        return new Promise<string>((resolve) =>
          this.#answers.push(() => resolve(`answer ${number}`)),
        );
      })
      .catch((error: unknown) => (error as Error).message);
  }

  answer(): void {
    for (const give of this.#answers.splice(0)) give();
  }
}

test('with room inputs are published in the turn in which they come', async () => {
  const world = new World();
  const sent = [world.send(1), world.send(2)];
  expect(world.published).toEqual([1, 2]);
  world.answer();
  expect(await Promise.all(sent)).toEqual(['answer 1', 'answer 2']);
});

test('I13 without room inputs wait, and are published in order when there is some', async () => {
  const world = new World();
  world.hasRoom = false;
  const sent = [1, 2].map((number) => world.send(number));
  world.timers.pass(ROOM_MILLIS_MAX - 1);
  world.gate.moved();
  expect(world.published).toEqual([]);
  world.hasRoom = true;
  // One that comes in the same turn is behind those that wait.
  sent.push(world.send(3));
  expect(world.published).toEqual([1, 2, 3]);
  world.answer();
  expect(await Promise.all(sent)).toEqual(['answer 1', 'answer 2', 'answer 3']);
  // It has begun anew: what comes now does not wait the less.
  world.hasRoom = false;
  const next = world.send(4);
  world.timers.pass(ROOM_MILLIS_MAX - 1);
  world.hasRoom = true;
  world.gate.moved();
  world.answer();
  expect(await next).toBe('answer 4');
});

test('I13 where there is no room for long, who waits is refused, and who comes at once', async () => {
  const world = new World();
  world.hasRoom = false;
  // Nobody need ask for the time to begin.
  world.gate.moved();
  world.timers.pass(ROOM_MILLIS_MAX - 1);
  const waits = world.send(1);
  world.timers.pass(1);
  expect(await waits).toBe('There is no room.');
  expect(await world.send(2)).toBe('There is no room.');
  expect(world.published).toEqual([]);
  world.hasRoom = true;
  const next = world.send(3);
  world.answer();
  expect(await next).toBe('answer 3');
  expect(world.published).toEqual([3]);
});

test.each([
  ['no outcomes', { oldestMillis: STALLED_MILLIS_MAX, stalledMillis: STALLED_MILLIS_MAX }],
  ['late outcomes', { oldestMillis: BEHIND_MILLIS_MAX, stalledMillis: 0 }],
])('I13 while what was published gets %s, nothing more is', async (_how, most) => {
  const world = new World();
  const first = world.send(1);
  world.waits = most;
  const second = world.send(2);
  const { oldestMillis, stalledMillis } = most;
  world.waits = {
    oldestMillis: oldestMillis + 1,
    stalledMillis: stalledMillis === 0 ? 0 : stalledMillis + 1,
  };
  expect(await world.send(3)).toBe('There is no outcome.');
  world.answer();
  world.waits = { oldestMillis: 0, stalledMillis: 0 };
  expect(await Promise.all([first, second])).toEqual(['answer 1', 'answer 2']);
  const fourth = world.send(4);
  world.answer();
  expect(await fourth).toBe('answer 4');
  expect(world.published).toEqual([1, 2, 4]);
});

test('I13 who waits for room is refused where it comes and outcomes do not', async () => {
  const world = new World();
  world.hasRoom = false;
  const waits = world.send(1);
  world.waits = { oldestMillis: BEHIND_MILLIS_MAX, stalledMillis: STALLED_MILLIS_MAX + 1 };
  world.hasRoom = true;
  world.gate.moved();
  expect(await waits).toBe('There is no outcome.');
  expect(world.published).toEqual([]);
});

test('I13 inputs on their way are bounded in number and bytes, whether published or waiting', async () => {
  const world = new World();
  world.hasRoom = false;
  const waits = world.send(1, 50);
  world.hasRoom = true;
  const goes = world.send(2, 50);
  expect(await world.send(3, 1)).toMatch('2 transactions (100 bytes) are on their way');
  const empty = world.send(4, 0);
  expect(await world.send(5, 0)).toMatch('3 transactions (100 bytes) are on their way');
  world.answer();
  await Promise.all([waits, goes, empty]);
  const next = world.send(6, 100);
  world.answer();
  expect(await next).toBe('answer 6');
  expect(world.published).toEqual([1, 2, 4, 6]);
});

test('what is published and fails makes room for the next, and is told as it is', async () => {
  const world = new World();
  const gone = new PyralogError('unreachable', 'There is no broker.');
  for (let i = 0; i < 5; i++)
    await expect(world.gate.pass(100, () => Promise.reject(gone))).rejects.toBe(gone);
});

test('when it closes, who waits is refused, and who comes', async () => {
  const world = new World();
  world.hasRoom = false;
  const waits = world.gate.pass(1, () => Promise.resolve());
  world.gate.close();
  await expect(waits).rejects.toMatchObject({ code: 'stopping' });
  world.hasRoom = true;
  await expect(world.gate.pass(1, () => Promise.resolve())).rejects.toMatchObject({
    code: 'stopping',
  });
});
