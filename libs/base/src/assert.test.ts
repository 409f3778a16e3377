import { expect, test } from 'vitest';
import { assert, AssertionError, must, unreachable } from './assert.ts';

test.each([true, 1, 'x', {}, -1n])('what holds passes: %s', (condition) => {
  expect(() => assert(condition, 'broken')).not.toThrow();
});

test.each([false, 0, '', null, undefined, Number.NaN, 0n])(
  '%s is a defect, in words',
  (condition) => {
    expect(() => assert(condition, 'the log goes back')).toThrow(
      new AssertionError('the log goes back'),
    );
  },
);

test('what can be falsy is there all the same', () => {
  for (const value of [0, '', false, 0n, Number.NaN]) expect(must(value, 'absent')).toBe(value);
});

test.each([null, undefined])('the lookup that cannot miss misses: %s is a defect', (value) => {
  expect(() => must(value, 'no such row')).toThrow(new AssertionError('no such row'));
});

test('a place out of reach that is reached says with what', () => {
  expect(() => unreachable('sideways' as never)).toThrow(
    new AssertionError('unreachable: sideways'),
  );
  expect(() => unreachable(7 as never, 'kind of item')).toThrow('kind of item: 7');
});

test('a defect is told by its name, and is no operating error', () => {
  const defect = new AssertionError('x');
  expect(defect).toBeInstanceOf(Error);
  expect(defect.name).toBe('AssertionError');
  expect('isPyralogError' in defect).toBe(false);
});
