import { crc32c } from '@pyralog/base';
import { epoch, logOffset, partitionNo, tx } from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeCoordination, encodeCoordination } from './coordination.ts';
import { coordinationMessage } from './testing/arbitraries.ts';
import { errorCode, expectFlipsDetected, expectTruncationDetected } from './testing/damage.ts';

const close = encodeCoordination({ kind: 'close', upTo: undefined });

test('a request to close is thirteen bytes, as the grammar says', () => {
  expect(Buffer.from(close).toString('hex')).toMatch(/^5059434d[0-9a-f]{8}0000000000$/);
  expect(decodeCoordination(close)).toEqual({ kind: 'close', upTo: undefined });
});

const prepare = encodeCoordination({
  kind: 'prepare',
  id: { coordinator: partitionNo(3), offset: logOffset(77) },
  part: '',
  attempt: 2,
  mark: { epoch: epoch(4), counter: 9 },
  start: tx(4096n),
  at: -1n,
  content: Buffer.from('{"ops":[]}'),
});

test('every message comes back as it was written', () => {
  fc.assert(
    fc.property(coordinationMessage, (message) => {
      expect(decodeCoordination(encodeCoordination(message))).toEqual(message);
    }),
  );
});

test('I11 a flipped bit anywhere is noticed, and so is a cut', () => {
  for (const message of [close, prepare]) {
    expectFlipsDetected(message, decodeCoordination);
    expectTruncationDetected(message, decodeCoordination);
  }
});

test('a message of a later kind is refused as unknown, not as damaged', () => {
  const later = Uint8Array.from(close);
  later[9] = 8;
  new DataView(later.buffer).setUint32(4, crc32c(later.subarray(8)), true);
  expect(errorCode(() => decodeCoordination(later))).toBe('format-unknown');
});

test('what anybody may have written there is refused by a code', () => {
  for (const text of ['', 'close', '{"kind":"close"}', 'PYCM00000000000000'])
    expect(errorCode(() => decodeCoordination(Buffer.from(text)))).toBe('object-damaged');
});
