import type { Item } from '@pyralog/format';
import { type LogOffset, logOffset, PyralogError, tx } from '@pyralog/model';
import { SystemTimers } from '@pyralog/runtime';
import { expect, test } from 'vitest';
import { Outcomes } from './outcomes.ts';

const LONG = 60_000;
const item = (offset: number): Item => ({
  kind: 'duplicate',
  offset: logOffset(offset),
  tx: tx(BigInt(offset)),
});
const seen = (offset: number): { item: Item; facts: string } => ({
  item: item(offset),
  facts: `facts ${offset}`,
});
const outcomes = (): Outcomes<string> => new Outcomes(new SystemTimers());

test('whoever published hears of the outcome of the offset that was given, however others come', async () => {
  const heard = outcomes();
  const publish = [7, 8, 9].map((offset) =>
    heard.of(() => Promise.resolve(logOffset(offset)), LONG),
  );
  await Promise.resolve();
  for (const offset of [3, 9, 7, 12, 8]) heard.seen(seen(offset));
  expect(await Promise.all(publish)).toEqual([seen(7), seen(8), seen(9)]);
  expect(heard.waiting).toBe(0);
});

test('an outcome that is seen before the offset is known is not missed', async () => {
  const heard = outcomes();
  let published: (offset: LogOffset) => void = () => undefined;
  const waiting = heard.of(() => new Promise((resolve) => (published = resolve)), LONG);
  heard.seen(seen(4));
  heard.seen(seen(5));
  published(logOffset(4));
  expect(await waiting).toEqual(seen(4));
  // What was kept for nobody is gone with the last who published.
  const next = heard.of(() => Promise.resolve(logOffset(5)), 1);
  await expect(next).rejects.toMatchObject({ code: 'outcome-unknown' });
});

test('a publish that fails is the failure, and nobody waits', async () => {
  const heard = outcomes();
  const error = new PyralogError('unreachable', 'There is no broker.');
  await expect(heard.of(() => Promise.reject(error), LONG)).rejects.toBe(error);
  expect(heard.waiting).toBe(0);
});

test('when the time is over the outcome is unknown, and one that comes later disturbs nobody', async () => {
  const heard = outcomes();
  const late = heard.of(() => Promise.resolve(logOffset(1)), 1);
  await expect(late).rejects.toMatchObject({ code: 'outcome-unknown' });
  heard.seen(seen(1));
  expect(heard.waiting).toBe(0);
});
