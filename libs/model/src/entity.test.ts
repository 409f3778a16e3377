import { AssertionError } from '@pyralog/base';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  attributeEntity,
  checkAttribute,
  checkEntity,
  checkEntityOrTemporary,
  checkTemporaryId,
  identOfEntity,
  isTemporaryId,
  prefixOfTemporaryId,
  txEntity,
  txOfEntity,
} from './entity.ts';
import { epoch, logOffset, ownerId } from './offset.ts';
import { attribute, entity, errorCode, refusal, text, txId } from './testing/index.ts';

test('any text is an entity id: NUL, line feeds, characters of four bytes, names of JavaScript', () => {
  fc.assert(
    fc.property(fc.oneof(entity, text), (id) => {
      const isOne = id !== '' && Buffer.byteLength(id) <= 1024 && !/^(tx|attribute|_):/.test(id);
      if (isOne) expect(checkEntity(id)).toBe(id);
      else expect(errorCode(() => checkEntity(id))).toBe('entity-invalid');
    }),
    { numRuns: 500 },
  );
  for (const id of [
    '\0',
    '\n',
    '__proto__',
    '_',
    '_x:y',
    't',
    'tx',
    'txt:1',
    'a',
    'attribute',
    ':',
  ])
    expect(checkEntity(id)).toBe(id);
});

test.each(['x', 'é', '€', '😀'])('an id and an attribute have 1,024 bytes, of %s too', (char) => {
  const bytes = Buffer.byteLength(char);
  const full = char.repeat(Math.floor(1024 / bytes)).concat('x'.repeat(1024 % bytes));
  expect(Buffer.byteLength(full)).toBe(1024);
  expect(checkEntity(full)).toBe(full);
  expect(checkAttribute(full)).toBe(full);
  expect(checkAttribute(`:${full}`)).toBe(full);
  expect(checkEntity(attributeEntity(full))).toBe(`attribute:${full}`);
  expect(checkTemporaryId(`_:${full.slice(0, -2)}`)).toBe(`_:${full.slice(0, -2)}`);
  for (const [run, code, limit] of [
    [() => checkEntity(`${full}x`), 'entity-invalid', 1024],
    [() => checkAttribute(`${full}x`), 'attribute-invalid', 1024],
    [() => checkEntity(attributeEntity(`${full}x`)), 'entity-invalid', 1034],
    [() => checkTemporaryId(`_:${full}`), 'entity-invalid', 1024],
  ] as const) {
    const error = refusal(run);
    expect(error?.code).toBe(code);
    expect(error?.message).toContain(`The limit is ${limit} bytes.`);
    expect(error?.message.length).toBeLessThan(200);
    expect(error?.extra['limit']).toBe(limit);
    expect(error?.extra['given']).toBeGreaterThan(limit);
  }
});

test.each([
  ['', 'An entity id is empty'],
  ['\ud800', 'half of a surrogate pair'],
  ['a\udc00b', 'half of a surrogate pair'],
  ['_:x', 'is a temporary id'],
  ['_:', 'is a temporary id'],
  ['tx:', 'after "tx:" stands a tx'],
  ['tx:x', 'after "tx:" stands a tx'],
  ['tx:01', 'after "tx:" stands a tx'],
  ['tx:-1', 'after "tx:" stands a tx'],
  ['tx:9223372036854775808', 'after "tx:" stands a tx'],
  ['attribute:', 'after "attribute:" stands an attribute'],
  ['attribute::a', 'after "attribute:" stands an attribute'],
  ['attribute:a\nb', 'after "attribute:" stands an attribute'],
])('%j is no entity id: %s', (id, problem) => {
  const error = refusal(() => checkEntity(id));
  expect(error?.code).toBe('entity-invalid');
  expect(error?.message).toContain(problem);
});

test('a transaction and an attribute have entities of their own', () => {
  fc.assert(
    fc.property(txId, attribute, (t, name) => {
      expect(checkEntity(txEntity(t))).toBe(`tx:${t}`);
      expect(txOfEntity(txEntity(t))).toBe(t);
      expect(checkEntity(attributeEntity(name))).toBe(`attribute:${name}`);
      expect(identOfEntity(attributeEntity(name))).toBe(name);
    }),
  );
  expect(txOfEntity('paper:1')).toBeUndefined();
  expect(txOfEntity('tx:x')).toBeUndefined();
  expect(identOfEntity('paper:1')).toBeUndefined();
});

// The prefix that the new id will have.
test.each([
  ['_:x', undefined],
  ['_:tx', undefined],
  ['_:person:alice', 'person'],
  ['_:a:b:c', 'a:b'],
  ['_: :x', ' '],
  ['_:person:{x', 'person'],
  ['_:{x', undefined],
  ['_:__proto__:x', '__proto__'],
  [`_:${'x'.repeat(990)}:y`, 'x'.repeat(990)],
])('%j is a temporary id', (id, prefix) => {
  expect(checkTemporaryId(id)).toBe(id);
  expect(checkEntityOrTemporary(id)).toBe(id);
  expect(isTemporaryId(id)).toBe(true);
  expect(prefixOfTemporaryId(id)).toBe(prefix);
});

test.each([
  ['_:', 'its name is empty'],
  ['_:person:', 'its name is empty'],
  ['_::x', 'its prefix is empty'],
  ['_:tx:x', 'cannot begin with'],
  ['_:tx:a:x', 'cannot begin with'],
  ['_:attribute:x', 'cannot begin with'],
  ['_:_:x', 'cannot begin with'],
  ['_:a{b:x', 'a prefix has no "{"'],
  ['_:\ud800', 'half of a surrogate pair'],
  [`_:${'x'.repeat(991)}:y`, 'its prefix has more than 990 bytes'],
  [`_:${'é'.repeat(496)}:y`, 'its prefix has more than 990 bytes'],
])('%j is no temporary id: %s', (id, problem) => {
  const error = refusal(() => checkEntityOrTemporary(id));
  expect(error?.code).toBe('entity-invalid');
  expect(error?.message).toContain(problem);
});

test('only temporary ids have a prefix to ask for', () => {
  expect(isTemporaryId('person:1')).toBe(false);
  expect(() => prefixOfTemporaryId('person:1')).toThrow(AssertionError);
});

test('an attribute is any text without control characters; one leading colon is dropped', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        attribute,
        text,
        text.map((name) => `:${name}`),
      ),
      (written) => {
        const name = written.replace(/^:/, '');
        const isOne = name !== '' && Buffer.byteLength(name) <= 1024 && !/^:|\p{Cc}/u.test(name);
        if (isOne) expect(checkAttribute(written)).toBe(name);
        else expect(errorCode(() => checkAttribute(written))).toBe('attribute-invalid');
      },
    ),
    { numRuns: 500 },
  );
});

test.each([
  ['', 'An attribute is empty'],
  [':', 'An attribute is empty'],
  ['::a', 'begins with more than one colon'],
  ['a\0', 'has a control character'],
  ['a\tb', 'has a control character'],
  ['\u007f', 'has a control character'],
  ['a\u0085b', 'has a control character'],
  ['a\ud800', 'half of a surrogate pair'],
])('%j is no attribute: %s', (name, problem) => {
  const error = refusal(() => checkAttribute(name));
  expect(error?.code).toBe('attribute-invalid');
  expect(error?.message).toContain(problem);
});

test('positions of the log and its owners are checked where they are made', () => {
  expect([logOffset(0), epoch(0), logOffset(2 ** 53 - 1)]).toEqual([0, 0, 2 ** 53 - 1]);
  for (const value of [-1, 1.5, 2 ** 53, Number.NaN]) {
    expect(() => logOffset(value)).toThrow(AssertionError);
    expect(() => epoch(value)).toThrow(AssertionError);
  }
  expect(ownerId('0123456789abcdef'.repeat(2))).toHaveLength(32);
  for (const hex of ['', '0'.repeat(31), '0'.repeat(33), 'A'.repeat(32), 'g'.repeat(32)])
    expect(() => ownerId(hex)).toThrow(AssertionError);
});
