import { tx } from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBase64Url, toBase64Url } from './base64.ts';
import { txId } from './testing/arbitraries.ts';
import { errorCode } from './testing/damage.ts';
import { decodeCursor, decodeFeedOffset, encodeCursor, encodeFeedOffset } from './tokens.ts';

const here = '00112233445566778899aabbccddeeff';
const elsewhere = 'ffeeddccbbaa99887766554433221100';

test('a cursor and an offset come back as they were given', () => {
  fc.assert(
    fc.property(txId, fc.uint8Array({ maxLength: 60 }), fc.string(), (basis, key, listing) => {
      fc.pre(listing.isWellFormed());
      const cursor = { listing, basis, key };
      expect(decodeCursor(encodeCursor(here, cursor), here, listing)).toEqual(cursor);
      expect(decodeFeedOffset(encodeFeedOffset(here, basis), here)).toBe(basis);
    }),
  );
});

const cursor = encodeCursor(here, {
  listing: 'state:eavt',
  basis: tx(5n),
  key: Uint8Array.of(1, 2),
});
const offset = encodeFeedOffset(here, tx(5n));

test('tokens fit into a URL', () => {
  expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
  expect(offset).toMatch(/^[A-Za-z0-9_-]+$/);
});

test('a token of another database is told from one that is wrong', () => {
  expect(errorCode(() => decodeCursor(cursor, elsewhere, 'state:eavt'))).toBe('cursor-foreign');
  expect(errorCode(() => decodeFeedOffset(offset, elsewhere))).toBe('offset-foreign');
});

test('a cursor of another listing, an offset for a cursor, and no token at all are refused', () => {
  expect(errorCode(() => decodeCursor(cursor, here, 'state:aevt'))).toBe('cursor-invalid');
  expect(errorCode(() => decodeCursor(offset, here, 'state:eavt'))).toBe('cursor-invalid');
  expect(errorCode(() => decodeFeedOffset(cursor, here))).toBe('offset-invalid');
  for (const text of [
    '',
    '-1',
    'now',
    'a',
    'AAAA',
    '%',
    'ü',
    '🙂',
    'A'.repeat(1000),
    '__proto__',
  ]) {
    expect(
      errorCode(() => decodeCursor(text, here, 'x')),
      text,
    ).toBe('cursor-invalid');
    expect(
      errorCode(() => decodeFeedOffset(text, here)),
      text,
    ).toBe('offset-invalid');
  }
});

test('any text is a code or a token, never a crash; any changed letter is noticed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(errorCode(() => decodeFeedOffset(text, here))).toBe('offset-invalid');
    }),
  );
  for (let at = 0; at < cursor.length; at++) {
    const other = cursor[at] === 'A' ? 'B' : 'A';
    const changed = cursor.slice(0, at) + other + cursor.slice(at + 1);
    expect(
      errorCode(() => decodeCursor(changed, here, 'state:eavt')),
      `letter ${at}`,
    ).toBe('cursor-invalid');
    expect(errorCode(() => decodeCursor(cursor.slice(0, at), here, 'state:eavt'))).toBe(
      'cursor-invalid',
    );
  }
});

test('base64url is that of everybody else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64url');
      expect(toBase64Url(bytes)).toBe(text);
      expect(fromBase64Url(text)).toEqual(bytes);
    }),
  );
  expect(fromBase64Url('AB')).toBeUndefined();
  expect(fromBase64Url('A+')).toBeUndefined();
  expect(fromBase64Url('A')).toBeUndefined();
});
