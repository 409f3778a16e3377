import type { FactRows, OutcomeItem } from '@pyralog/format';
import { type LogOffset, logOffset, PyralogError, tx } from '@pyralog/model';
import { type Clock, SystemTimers } from '@pyralog/runtime';
import { expect, test } from 'vitest';
import { Outcomes } from './outcomes.ts';

const LONG = 60_000;
type Item = OutcomeItem<FactRows>;
const item = (offset: number): Item => ({
  kind: 'duplicate',
  offset: logOffset(offset),
  tx: tx(BigInt(offset)),
});
const seen = (offset: number): { item: Item; facts: string } => ({
  item: item(offset),
  facts: `facts ${offset}`,
});
/** Stands still until a test sets it. */
class SetClock implements Clock {
  millis = 0;

  nowNanos(): bigint {
    throw new Error('nobody asks for it');
  }

  monotonicMillis(): number {
    return this.millis;
  }
}

const outcomes = (
  clock: Clock = new SetClock(),
  isSettled: (input: LogOffset) => boolean = () => false,
): Outcomes<string> => new Outcomes(clock, new SystemTimers(), isSettled);

test('whoever published hears of the outcome of the offset that was given, however others come', async () => {
  const heard = outcomes();
  const publish = [7, 8, 9].map((offset) =>
    heard.of(() => Promise.resolve(logOffset(offset)), LONG),
  );
  await Promise.resolve();
  for (const offset of [3, 9, 7, 12, 8]) heard.seen(seen(offset));
  expect(await Promise.all(publish)).toEqual([seen(7), seen(8), seen(9)]);
  expect(heard.held).toEqual({ unanswered: 0, early: 0 });
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
  expect(heard.held).toEqual({ unanswered: 0, early: 0 });
});

test('when the time is over the outcome is unknown, and one that comes later disturbs nobody', async () => {
  const heard = outcomes();
  const late = heard.of(() => Promise.resolve(logOffset(1)), 1);
  await expect(late).rejects.toMatchObject({ code: 'outcome-unknown' });
  expect(heard.held).toEqual({ unanswered: 1, early: 0 });
  heard.seen(seen(1));
  expect(heard.held).toEqual({ unanswered: 0, early: 0 });
});

test('how long inputs wait is known, also when nobody waits for the outcome any more', async () => {
  const clock = new SetClock();
  const heard = outcomes(clock);
  expect(heard.waits).toEqual({ oldestMillis: 0, stalledMillis: 0 });
  clock.millis = 100;
  const late = heard.of(() => Promise.resolve(logOffset(1)), 1);
  await expect(late).rejects.toMatchObject({ code: 'outcome-unknown' });
  clock.millis = 500;
  const next = heard.of(() => Promise.resolve(logOffset(2)), LONG);
  await Promise.resolve();
  clock.millis = 1_000;
  expect(heard.waits).toEqual({ oldestMillis: 900, stalledMillis: 900 });
  // Of somebody else: the partition goes on.
  heard.seen(seen(0));
  clock.millis = 1_200;
  expect(heard.waits).toEqual({ oldestMillis: 1_100, stalledMillis: 200 });
  heard.seen(seen(1));
  clock.millis = 1_300;
  expect(heard.waits).toEqual({ oldestMillis: 800, stalledMillis: 100 });
  heard.seen(seen(2));
  await next;
  clock.millis = 9_000;
  expect(heard.waits).toEqual({ oldestMillis: 0, stalledMillis: 0 });
  // What was seen long ago says nothing of what was published just now.
  void heard.of(() => Promise.resolve(logOffset(3)), LONG);
  await Promise.resolve();
  clock.millis = 9_001;
  expect(heard.waits).toEqual({ oldestMillis: 1, stalledMillis: 1 });
});

test('an input whose outcome was passed over is waited for no longer than its writer does', async () => {
  const clock = new SetClock();
  let lowWater = 0;
  const heard = outcomes(clock, (input) => input < lowWater);
  const passedOver = heard.of(() => Promise.resolve(logOffset(1)), 20);
  const next = heard.of(() => Promise.resolve(logOffset(2)), LONG);
  await Promise.resolve();
  clock.millis = 1_000;
  lowWater = 2;
  expect(heard.waits).toEqual({ oldestMillis: 1_000, stalledMillis: 1_000 });
  expect(heard.held).toEqual({ unanswered: 1, early: 0 });
  lowWater = 3;
  expect(heard.waits).toEqual({ oldestMillis: 0, stalledMillis: 0 });
  await expect(passedOver).rejects.toMatchObject({ code: 'outcome-unknown' });
  void next;
});

test('I13 while there is always somebody who publishes, outcomes of others are kept no longer than any may be theirs', async () => {
  const heard = outcomes();
  let published: (offset: LogOffset) => void = () => undefined;
  const publish = (): Promise<LogOffset> => new Promise((resolve) => (published = resolve));
  let waiting = heard.of(publish, LONG);
  for (let offset = 0; offset < 100; offset += 2) {
    const publishedBefore = published;
    heard.seen(seen(offset));
    const next = heard.of(publish, LONG);
    heard.seen(seen(offset + 1));
    publishedBefore(logOffset(offset));
    expect(await waiting).toEqual(seen(offset));
    // The other one may be of the publish that goes on.
    expect(heard.held).toEqual({ unanswered: 0, early: 1 });
    waiting = next;
  }
  published(logOffset(99));
  expect(await waiting).toEqual(seen(99));
});
