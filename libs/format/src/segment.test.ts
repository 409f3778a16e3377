import { compareUtf8 } from '@pyralog/base';
import { epoch, logOffset, ownerId, tx, type StoredFact, type LogOffset } from '@pyralog/model';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { Codec } from './codec.ts';
import {
  decodeCommitRecord,
  encodeCommitRecord,
  type CommitRecord,
  type DraftRecord,
  isInForce,
} from './commit-record.ts';
import { FactTable } from './fact-table.ts';
import { advance, emptyLogState } from './log-state.ts';
import type { LogState } from './manifest.ts';
import { transactionsOf, type SegmentRecord } from './segment-pages.ts';
import {
  decodeSegmentBlock,
  decodeSegmentPage,
  parseSegmentFooter,
  SegmentBuilder,
  type EncodedSegment,
  type SegmentFooter,
} from './segment.ts';
import { foldableRecord, epochRecord } from './testing/arbitraries.ts';
import { errorCode, expectFlipsDetected, expectTruncationDetected } from './testing/damage.ts';
import { verifySegment } from './verify.ts';
import { createCodec } from './zstd.ts';

let codec: Codec;
beforeAll(async () => {
  codec = await createCodec();
});

interface Range {
  readonly state: LogState;
  readonly records: readonly { readonly offset: LogOffset; readonly record: CommitRecord }[];
  readonly to: LogOffset;
}

/** Admitted records of an arbitrary log from some point on, and the state before them. */
const range: fc.Arbitrary<Range> = fc
  .tuple(
    fc.array(epochRecord, { minLength: 1, maxLength: 3 }),
    fc.array(foldableRecord, { maxLength: 8 }),
    fc.nat({ max: 4 }),
  )
  .map(([claims, drafts, from]) => {
    let [state, before] = [emptyLogState(), emptyLogState()];
    const records: { offset: LogOffset; record: CommitRecord }[] = [];
    const add = (record: CommitRecord, gap: number): void => {
      const offset = logOffset(state.next + gap);
      const step = advance(state, offset, record);
      state = step.state;
      if (!step.counts) return;
      if (offset < from) before = state;
      else records.push({ offset, record });
    };
    claims.sort((a, b) => a.epoch - b.epoch);
    for (const [i, claim] of claims.entries()) {
      add(claim, i);
      drafts.forEach((draft, at) => {
        if (at % claims.length !== i) return;
        const { epoch, owner, seq } = state.admission;
        const next: DraftRecord = { ...draft, epoch, owner: owner ?? draft.owner, seq: seq + 1 };
        add(decodeCommitRecord(encodeCommitRecord(next)), at % 2);
      });
    }
    return { state: before, records, to: state.next };
  });

function encode({ state, records, to }: Range): EncodedSegment {
  const builder = new SegmentBuilder(0, state);
  const table = new FactTable();
  for (const { offset, record } of records) {
    builder.add(offset, record);
    if (record.kind === 'items') table.appendColumns(record.facts);
  }
  return builder.finish(table, to, codec);
}

interface Content {
  readonly footer: SegmentFooter;
  readonly facts: readonly StoredFact[];
  readonly records: readonly SegmentRecord[];
}

function read(bytes: Uint8Array): Content {
  const footer = parseSegmentFooter(bytes, bytes.length, codec);
  if ('missing' in footer) throw new Error('the whole file was not enough');
  const cut = (place: { offset: number; length: number }): Uint8Array =>
    bytes.subarray(place.offset, place.offset + place.length);
  const facts = footer.blocks.flatMap((block, i) => {
    const batch = decodeSegmentBlock(footer, i, cut(block), codec);
    return Array.from({ length: batch.length }, (_, row) => batch.factAt(row));
  });
  const records = footer.pages.flatMap((page, i) => decodeSegmentPage(footer, i, cut(page), codec));
  return { footer, facts, records };
}

/** A record with its facts, however it was read. */
function whole(record: SegmentRecord['record'], factAt: (row: number) => StoredFact): unknown {
  if (record.kind === 'epoch') return record;
  const { items, ...header } = record;
  return {
    ...header,
    facts: undefined,
    items: items.map((item) => {
      if (!isInForce(item)) return item;
      const { from, to, ...rest } = item;
      return { ...rest, facts: Array.from({ length: to - from }, (_, i) => factAt(from + i)) };
    }),
  };
}

test('every record of a range can be rebuilt from its segment, and the state before it', () => {
  fc.assert(
    fc.property(range, (log) => {
      const { footer, facts, records } = read(encode(log).bytes);
      expect(footer.state).toEqual(log.state);
      expect(records.map((each) => each.offset)).toEqual(log.records.map((each) => each.offset));
      expect(records.map(({ record }) => whole(record, (row) => facts[row] as StoredFact))).toEqual(
        log.records.map(({ record }) =>
          whole(record, (row) =>
            record.kind === 'items' ? record.facts.factAt(row) : (undefined as never),
          ),
        ),
      );
      let state = footer.state;
      for (const { offset, record } of log.records) state = advance(state, offset, record).state;
      expect({ ...state, next: log.to }).toEqual({ ...state, next: footer.to });
    }),
    { numRuns: 60 },
  );
});

test('the transactions of a segment name the rows of their facts', () => {
  fc.assert(
    fc.property(range, (log) => {
      const segment = encode(log);
      const { footer, facts, records } = read(segment.bytes);
      const transactions = transactionsOf(records);
      expect(transactions.length).toBe(footer.transactions);
      for (const each of transactions) {
        expect(facts.slice(each.from, each.to).every((fact) => fact.tx === each.tx)).toBe(true);
        expect(each.tx >= segment.minTx && each.tx <= segment.maxTx).toBe(true);
      }
      expect(transactions.reduce((sum, each) => sum + each.to - each.from, 0)).toBe(facts.length);
      verifySegment(segment.bytes, codec);
    }),
    { numRuns: 40 },
  );
});

/** A claim, a commit of two facts and a rejection. */
const example: Range = (() => {
  const owner = ownerId('09'.repeat(16));
  const name: StoredFact = {
    entity: 'person:1',
    attribute: 'name',
    value: { type: 'string', value: 'Alice' },
    tx: tx(1024n),
    operation: 'assert',
  };
  const draft: DraftRecord = {
    kind: 'items',
    epoch: epoch(1),
    owner,
    seq: 1,
    coordination: logOffset(0),
    marks: [],
    lowWater: logOffset(2),
    closed: tx(2047n),
    schemaTx: tx(0n),
    items: [
      {
        kind: 'commit',
        offset: logOffset(0),
        tx: name.tx,
        facts: [
          name,
          {
            ...name,
            attribute: 'a',
            value: {
              type: 'bytes',
              prefix: Uint8Array.of(1, 2),
              sha256: '0af5'.repeat(16),
              bytes: 70_000,
            },
          },
        ],
      },
      { kind: 'rejected', offset: logOffset(1), rejection: { code: 'busy', detail: 'no room' } },
    ],
  };
  const records = [
    { offset: logOffset(0), record: { kind: 'epoch', epoch: epoch(1), owner } as const },
    { offset: logOffset(1), record: decodeCommitRecord(encodeCommitRecord(draft)) },
  ];
  return { state: emptyLogState(), records, to: logOffset(2) };
})();

test('I11 a flipped bit anywhere in a segment is noticed by its readers or changes nothing', () => {
  expectFlipsDetected(encode(example).bytes, (bytes) => plain(read(bytes)));
});

test('I11 a flipped bit anywhere in a segment is found by verify', () => {
  const { bytes } = encode(example);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    const code = errorCode(() => verifySegment(flipped, codec));
    expect(['object-damaged', 'format-unknown'], `bit ${bit}`).toContain(code);
  }
});

test('a segment that was cut short is noticed at every length', () => {
  expectTruncationDetected(encode(example).bytes, read);
});

test('a segment of many pages and blocks, and one without a record, come back', () => {
  const claim = { kind: 'epoch', epoch: epoch(1), owner: ownerId('09'.repeat(16)) } as const;
  const [draft] = fc.sample(foldableRecord, { seed: 3, numRuns: 1 }) as [DraftRecord];
  const records: { offset: LogOffset; record: CommitRecord }[] = [
    { offset: logOffset(0), record: claim },
  ];
  for (let seq = 1; seq <= 5000; seq++) {
    const fact: StoredFact = {
      entity: `e:${seq % 17}`,
      attribute: 'n',
      value: { type: 'int', value: BigInt(seq) },
      tx: tx(BigInt(seq)),
      operation: 'assert',
    };
    const items = [{ kind: 'commit', offset: logOffset(seq), tx: fact.tx, facts: [fact] } as const];
    const next = { ...draft, epoch: claim.epoch, owner: claim.owner, seq, items };
    records.push({ offset: logOffset(seq), record: decodeCommitRecord(encodeCommitRecord(next)) });
  }
  const content = read(encode({ state: emptyLogState(), records, to: logOffset(5001) }).bytes);
  expect(content.records.length).toBe(5001);
  expect(content.facts.map((fact) => fact.value)).toEqual(
    Array.from({ length: 5000 }, (_, i) => ({ type: 'int', value: BigInt(i + 1) })),
  );
  for (const { tx, from, to } of transactionsOf(content.records)) {
    expect([from, to]).toEqual([Number(tx) - 1, Number(tx)]);
  }
  expect(content.footer.pages.length).toBe(2);
  expect(content.footer.blocks.length).toBe(3);
  const empty = encode({ state: emptyLogState(), records: [], to: logOffset(3) });
  expect(read(empty.bytes)).toMatchObject({ facts: [], records: [] });
  verifySegment(empty.bytes, codec);
});

/** What a reader sees, without views whose equality is of no interest. */
function plain({ footer, facts, records }: Content): unknown {
  const attributes = Array.from({ length: footer.attributes.length }, (_, i) =>
    footer.attributes.textAt(i),
  );
  return { ...footer, attributes: attributes.sort(compareUtf8), facts, records };
}
