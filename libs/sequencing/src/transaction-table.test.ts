import { encodeFacts, type ItemOf, type Lock, type TransactionPart } from '@pyralog/format';
import { logOffset, partitionNo, tx } from '@pyralog/model';
import { beforeEach, expect, test } from 'vitest';
import { partText, preparedText, TransactionTable } from './transaction-table.ts';

type Item = ItemOf<unknown>;

const write = (resource: string): Lock => ({ resource, attribute: undefined, write: true });
const offset = logOffset(7);
const part: TransactionPart = { partition: partitionNo(2), name: '', content: new Uint8Array() };
const facts = encodeFacts([]);
const begin = (attempt: number, ...locks: readonly Lock[]): Item => ({
  kind: 'begin',
  offset,
  attempt,
  start: tx(100n),
  begun: tx(100n),
  document: new Uint8Array(),
  contentHash: '',
  parts: [part],
  facts,
  locks,
});
const retry: Item = { kind: 'retry', offset, attempt: 1 };
const decided: Item = {
  kind: 'decided',
  offset,
  attempt: 1,
  start: tx(100n),
  begun: tx(100n),
  tx: tx(300n),
  participants: [],
};
const refused: Item = {
  kind: 'refused',
  offset,
  attempt: 1,
  rejection: { code: 'busy', detail: '' },
};
const end: Item = { kind: 'end', offset };
const id = { coordinator: partitionNo(2), offset };
const prepared = (name: string, at: bigint, ...locks: readonly Lock[]): Item => ({
  kind: 'prepared',
  id,
  part: name,
  attempt: 1,
  start: tx(50n),
  tx: tx(at),
  facts,
  locks,
  needs: [],
});
const aborted = (name: string): Item => ({ kind: 'aborted', id, part: name, attempt: 1 });

let table: TransactionTable;
const fold = (...items: readonly Item[]): void => items.forEach((item) => table.fold(item));
const phase = (): string | undefined => table.begun.get(offset)?.phase;
const isLocked = (resource: string): boolean => table.locks.blocks('another', [write(resource)]);

beforeEach(() => {
  table = new TransactionTable(partitionNo(1));
});

test('a transaction that is committed holds what it locks until it is decided, and is told until its end', () => {
  fold(begin(1, write('e')));
  expect(table.begun.get(offset)).toMatchObject({
    id: { coordinator: 1, offset },
    holder: { id: '1.7', start: 100n },
    attempt: 1,
    phase: 'preparing',
    tx: undefined,
  });
  expect(isLocked('e')).toBe(true);
  fold(decided);
  expect([phase(), table.begun.get(offset)?.tx, isLocked('e')]).toEqual(['committed', 300n, false]);
  fold(end);
  expect(table.isEmpty && table.locks.isEmpty).toBe(true);
});

test('an attempt that gives way locks nothing, and the next one begins with its own parts', () => {
  fold(begin(1, write('e')), {
    kind: 'extend',
    offset,
    part: { ...part, name: 'found' },
  });
  expect([...(table.begun.get(offset)?.parts.keys() ?? [])]).toEqual(['2/', '2/found']);
  fold(retry);
  expect([phase(), isLocked('e')]).toEqual(['retrying', false]);
  table.waits(offset);
  expect(phase()).toBe('waiting');
  fold(begin(2, write('f')));
  expect([phase(), isLocked('e'), isLocked('f')]).toEqual(['preparing', false, true]);
  expect([...(table.begun.get(offset)?.parts.keys() ?? [])]).toEqual([partText(part)]);
});

test.each<Item>([
  { kind: 'commit', offset, tx: tx(300n) },
  { kind: 'rejected', offset, rejection: { code: 'busy', detail: '' } },
  { kind: 'duplicate', offset, tx: tx(3n) },
])('what is back in line may end without others: $kind', (item) => {
  fold(begin(1, write('e')), retry, item);
  expect(table.isEmpty && table.locks.isEmpty).toBe(true);
  // As of any document that was never begun.
  fold(item);
  expect(table.isEmpty).toBe(true);
});

test('parts of one transaction are promised and end each by its name, and share what they lock', () => {
  fold(prepared('', 500n, write('e')), prepared('claim', 400n, write('e'), write('f')));
  expect([...table.prepared.keys()]).toEqual(['2.7/', '2.7/claim']);
  expect(table.pinned, 'below it nothing is closed').toBe(400n);
  fold(aborted('claim'));
  expect([table.pinned, isLocked('e'), isLocked('f')]).toEqual([500n, true, false]);
  fold({ kind: 'committed', id, part: '', tx: tx(600n) });
  expect([table.pinned, table.isEmpty, table.locks.isEmpty]).toEqual([undefined, true, true]);
  expect(preparedText({ id, part: 'claim' })).toBe('2.7/claim');
});

test('T1 what no state allows stops the fold', () => {
  const stops = (...items: readonly Item[]): void => {
    table = new TransactionTable(partitionNo(1));
    const last = items.at(-1) as Item;
    fold(...items.slice(0, -1));
    expect(() => table.fold(last), items.map(({ kind }) => kind).join()).toThrow(/^T1: /);
  };
  stops(decided);
  stops(end);
  stops(begin(1), begin(2));
  stops(begin(1), end);
  stops(begin(1), decided, refused);
  stops(begin(1), retry, decided);
  stops(begin(1), { kind: 'commit', offset, tx: tx(300n) });
  stops(prepared('', 400n), prepared('', 400n));
  stops(aborted(''));
  stops(prepared('', 400n), aborted(''), aborted(''));
  table = new TransactionTable(partitionNo(1));
  fold(begin(1));
  expect(() => table.waits(offset)).toThrow(/^T1: /);
});

test('T4 what one has locked no other locks, whoever coordinates it', () => {
  fold(begin(1, write('e')));
  expect(() => table.fold(prepared('', 400n, write('e')))).toThrow(/^T4: /);
  table = new TransactionTable(partitionNo(1));
  fold(prepared('', 400n, write('e')));
  expect(() => table.fold(begin(1, write('e')))).toThrow(/^T4: /);
});
