import { createHash } from 'node:crypto';
import { isReference, parseDocument, type StoredFact } from '@pyralog/model';
import { expect, test } from 'vitest';
import { longValuesOf } from './long-values.ts';
import type { Outcome } from './outcome.ts';
import { Sequence } from './testing/sequence.ts';

/** Long texts of one prefix, told apart by their end. */
function long(end: string): string {
  return 'long '.repeat(20_000) + end;
}

function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The facts of an outcome about what is no attribute: `+` or `-`, attribute, and the value or its hash. */
function said(outcome: Outcome): string[] {
  if (outcome.kind !== 'committed') throw new Error(JSON.stringify(outcome));
  return outcome.facts
    .filter(({ entity }) => !/^(tx|attribute):/.test(entity))
    .map((fact) => `${fact.operation === 'assert' ? '+' : '-'}${fact.attribute} ${shown(fact)}`);
}

function shown({ value }: StoredFact): string {
  return isReference(value) ? value.sha256 : String(value.value);
}

function contentsOf(outcome: Outcome): string[] {
  if (outcome.kind !== 'committed') throw new Error(outcome.kind);
  for (const [sha256, content] of outcome.contents) expect(hashOf(content)).toBe(sha256);
  return [...outcome.contents.keys()];
}

function codeOf(outcome: Outcome): string {
  return outcome.kind === 'rejected' ? outcome.rejection.code : outcome.kind;
}

/** A sequence that keeps little in memory and is told of all that its index has. */
function sequence(): Sequence {
  const log = new Sequence({}, 1, 1);
  log.transact({
    ops: [
      { entity: 'attribute:mail', 'db/valueType': 'string', 'db/unique': 'identity' },
      { entity: 'attribute:many', 'db/valueType': 'string', 'db/cardinality': 'many' },
      { entity: 'attribute:data', 'db/valueType': 'json' },
      { entity: 'attribute:scan', 'db/valueType': 'bytes' },
    ],
  });
  return log;
}

test('a value that is asserted again is no new fact, another of the same prefix replaces it', () => {
  const log = sequence();
  const first = log.transact({ ops: [{ entity: 'a', text: long('1') }] });
  expect(said(first)).toEqual([`+text ${hashOf(long('1'))}`]);
  expect(contentsOf(first)).toEqual([hashOf(long('1'))]);
  log.index();
  const again = log.transact({ ops: [{ entity: 'a', text: long('1') }] });
  expect(said(again)).toEqual([]);
  expect(contentsOf(again)).toEqual([]);
  const other = log.transact({ ops: [{ entity: 'a', text: long('2') }] });
  expect(said(other)).toEqual([`-text ${hashOf(long('1'))}`, `+text ${hashOf(long('2'))}`]);
  // What is retracted is a blob already.
  expect(contentsOf(other)).toEqual([hashOf(long('2'))]);
});

test('the type of the attribute decides what is stored: text, canonical json, or the bytes of base64', () => {
  const log = sequence();
  const bytes = Buffer.alloc(70_000, 'b');
  const outcome = log.transact({
    ops: [{ entity: 'a', data: long(''), scan: bytes.toString('base64'), text: long('') }],
  });
  expect(said(outcome)).toEqual([
    `+data ${hashOf(JSON.stringify(long('')))}`,
    `+scan ${hashOf(bytes)}`,
    `+text ${hashOf(long(''))}`,
  ]);
  expect(contentsOf(outcome).toSorted()).toEqual(
    [JSON.stringify(long('')), bytes, long('')].map(hashOf).toSorted(),
  );
  // As base64 it is long, as bytes it is not.
  const short = Buffer.alloc(60_000, 'b');
  const inline = log.transact({ ops: [{ entity: 'b', scan: short.toString('base64') }] });
  expect(contentsOf(inline)).toEqual([]);
  expect(said(inline)).toEqual([`+scan ${new Uint8Array(short).toString()}`]);
});

test('of several long values, one is retracted by its value', () => {
  const log = sequence();
  const ends = ['1', '2', '3'];
  log.transact({ ops: [{ entity: 'a', many: ends.map(long) }] });
  log.index();
  const op = 'retract';
  const one = log.transact({
    ops: [
      { op, entity: 'a', attribute: 'many', value: long('2') },
      { op, entity: 'a', attribute: 'many', value: long('4') },
    ],
  });
  expect(said(one)).toEqual([`-many ${hashOf(long('2'))}`]);
  const rest = log.transact({ ops: [{ op, entity: 'a', attribute: 'many' }] });
  expect(said(rest).toSorted()).toEqual(
    ['1', '3'].map((end) => `-many ${hashOf(long(end))}`).toSorted(),
  );
  const both = log.transact({
    ops: [
      { op: 'assert', entity: 'a', attribute: 'many', value: long('1') },
      { op, entity: 'a', attribute: 'many', value: long('1') },
    ],
  });
  expect(codeOf(both)).toBe('facts-conflict');
});

test('cas and conditions compare long values, and what is told of them is short', () => {
  const log = sequence();
  log.transact({ ops: [{ entity: 'a', text: long('1') }] });
  log.index();
  const cas = (old: string, next: string): Outcome =>
    log.transact({
      ops: [{ op: 'cas', entity: 'a', attribute: 'text', old: long(old), new: long(next) }],
    });
  const refused = cas('2', '3');
  expect(codeOf(refused)).toBe('cas-failed');
  expect(JSON.stringify(refused).length).toBeLessThan(1_000);
  expect(said(cas('1', '2'))).toEqual([`-text ${hashOf(long('1'))}`, `+text ${hashOf(long('2'))}`]);
  const when = (is: string | string[]): string =>
    codeOf(
      log.transact({ if: [{ entity: 'a', attribute: 'text', is }], ops: [{ entity: 'b', n: 1 }] }),
    );
  expect(when(long('1'))).toBe('condition-failed');
  expect(when(long('2'))).toBe('committed');
  expect(when([long('1'), long('2')])).toBe('condition-failed');
});

test('a long unique value belongs to one entity, and finds it', () => {
  const log = sequence();
  log.transact({ ops: [{ entity: 'a', mail: long('1') }] });
  // A text that is what the key of the long one might have been.
  const near = log.transact({ ops: [{ entity: 'c', mail: hashOf(long('1')) }] });
  expect(codeOf(near)).toBe('committed');
  log.index();
  log.takeOver();
  const taken = log.transact({ ops: [{ entity: 'b', mail: long('1') }] });
  expect(codeOf(taken)).toBe('unique-conflict');
  expect(said(log.transact({ ops: [{ entity: 'b', mail: long('2') }] }))).toEqual([
    `+mail ${hashOf(long('2'))}`,
  ]);
  const found = log.transact({ ops: [{ entity: '_:x', mail: long('1'), n: 1 }] });
  expect(found).toMatchObject({ kind: 'committed', ids: new Map([['_:x', 'a']]) });
  expect(said(found)).toEqual(['+n 1']);
});

test('a content that several transactions of a record assert is one blob of it', () => {
  const log = sequence();
  const outcomes = log.transactAll([
    { ops: [{ entity: 'a', text: long('') }] },
    { ops: [{ entity: 'b', text: long('') }] },
    { ops: [{ entity: 'c', text: long('3') }], if: [{ entity: 'a', absent: true }] },
  ]);
  expect(outcomes.map(codeOf)).toEqual(['committed', 'committed', 'condition-failed']);
  expect([...log.blobs.keys()]).toEqual([hashOf(long(''))]);
});

test('a long doc of an attribute is in the schema by reference', () => {
  const log = sequence();
  const outcome = log.transact({ ops: [{ entity: 'attribute:mail', 'db/doc': long('') }] });
  expect(contentsOf(outcome)).toEqual([hashOf(long(''))]);
  expect(log.sequencer.schema.attribute('mail')?.doc).toMatchObject({ sha256: hashOf(long('')) });
  const gone = log.transact({
    ops: [{ op: 'retract', entity: 'attribute:mail', attribute: 'db/doc', value: long('') }],
  });
  expect(codeOf(gone)).toBe('committed');
  expect(log.sequencer.schema.attribute('mail')?.doc).toBeUndefined();
});

test('the long values of a document are those that are written in it', () => {
  const cas = { op: 'cas', entity: 'a', attribute: 'b', old: long('old'), new: long('new') };
  const document = {
    meta: { reason: long('reason') },
    ops: [{ entity: 'a', text: long('text'), short: 'x' }, cas],
  };
  const contents = longValuesOf(parseDocument(Buffer.from(JSON.stringify(document))));
  expect([...contents.keys()].toSorted()).toEqual(
    ['reason', 'text', 'new'].map((end) => hashOf(long(end))).toSorted(),
  );
});
