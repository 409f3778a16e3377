import { expect, test } from 'vitest';
import { decodeCoordination, encodeCoordination } from './coordination.ts';
import { errorCode, expectFlipsDetected, expectTruncationDetected } from './testing/damage.ts';

const close = encodeCoordination({ kind: 'close' });

test('a request to close is twelve bytes, as the grammar says', () => {
  expect(Buffer.from(close).toString('hex')).toMatch(/^5059434d[0-9a-f]{8}00000000$/);
  expect(decodeCoordination(close)).toEqual({ kind: 'close' });
});

test('I11 a flipped bit anywhere is noticed, and so is a cut', () => {
  expectFlipsDetected(close, decodeCoordination);
  expectTruncationDetected(close, decodeCoordination);
});

test('what anybody may have written there is refused by a code', () => {
  for (const text of ['', 'close', '{"kind":"close"}', 'PYCM00000000000000'])
    expect(errorCode(() => decodeCoordination(Buffer.from(text)))).toBe('object-damaged');
});
