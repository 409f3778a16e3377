import { expect, test } from 'vitest';
import { Patience } from './patience.ts';

const RULE = { patienceMillis: 10_000, firstPauseMillis: 50, pauseMillisMax: 1_000 };

test('pauses double up to their bound, and chance shortens them by up to a half', () => {
  const patience = new Patience(RULE);
  const pauses = [0, 0.5, 0, 0, 0, 0, 0.99].map((fraction) => patience.pause(fraction));
  expect(pauses).toEqual([50, 75, 200, 400, 800, 1_000, 505]);
});

test('a failure is news when it has lasted for a second, whenever the first one was', () => {
  const patience = new Patience(RULE);
  const news = [5_000, 5_999, 6_000, 7_000].map((now) => patience.failed(now).isNews);
  expect(news).toEqual([false, false, true, true]);
});

test('patience is over when it would end before the next attempt', () => {
  const patience = new Patience(RULE);
  expect(patience.failed(100).isOver).toBe(false);
  expect(patience.failed(10_050).isOver).toBe(false);
  expect(patience.failed(10_051).isOver).toBe(true);
  // The next pause is longer.
  patience.pause(0);
  expect(patience.failed(10_050).isOver).toBe(true);
});

test('who has none gives up at the first failure', () => {
  expect(new Patience({ ...RULE, patienceMillis: 0 }).failed(7)).toEqual({
    isNews: false,
    isOver: true,
  });
});
