import { expect, test } from 'vitest';
import { forEachAtMost } from './at-most.ts';

/** Promises that a test resolves. */
class Gate {
  readonly begun: number[] = [];
  readonly #waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();

  pass(item: number): Promise<void> {
    this.begun.push(item);
    return new Promise((resolve, reject) => this.#waiting.set(item, { resolve, reject }));
  }

  async open(item: number): Promise<void> {
    this.#waiting.get(item)?.resolve();
    await turn();
  }

  async break(item: number, error: Error): Promise<void> {
    this.#waiting.get(item)?.reject(error);
    await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('each item is run once, in order, never more than so many at once', async () => {
  const gate = new Gate();
  const done = forEachAtMost(2, [1, 2, 3, 4], (item) => gate.pass(item));
  expect(gate.begun).toEqual([1, 2]);
  await gate.open(2);
  expect(gate.begun).toEqual([1, 2, 3]);
  await gate.open(3);
  expect(gate.begun).toEqual([1, 2, 3, 4]);
  await gate.open(4);
  await gate.open(1);
  await done;
});

test('nothing is begun behind a failure, and it is told when the others have ended', async () => {
  const gate = new Gate();
  let told: unknown;
  const done = forEachAtMost(2, [1, 2, 3], (item) => gate.pass(item)).catch(
    (error: unknown) => (told = error),
  );
  const first = new Error('first');
  await gate.break(2, first);
  expect(told).toBeUndefined();
  await gate.break(1, new Error('second'));
  await done;
  expect(told).toBe(first);
  expect(gate.begun).toEqual([1, 2]);
});

test('of nothing, it is done at once', async () => {
  await forEachAtMost(8, [], () => Promise.reject(new Error('nothing to run')));
});
