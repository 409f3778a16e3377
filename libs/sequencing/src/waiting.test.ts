import { logOffset, parseDocument, partitionOf } from '@pyralog/model';
import { expect, test } from 'vitest';
import { Partitions } from './testing/partitions.ts';

const P = 2;
const WAITING_MAX = 10_000;
const document = (...entities: readonly string[]) =>
  parseDocument(JSON.stringify({ ops: entities.map((entity) => ({ entity, x: 1 })) }));

function nameOn(partition: number): string {
  for (let i = 0; ; i++) if (partitionOf(`e:${i}`, P) === partition) return `e:${i}`;
}

test('ten thousand documents wait for one entity, one more is refused, and all are done when it is free', () => {
  const partitions = new Partitions(P);
  const [hot, other] = [nameOn(0), nameOn(1)];
  partitions.publish(0, parseDocument('{"ops":[{"entity":"attribute:x","db/valueType":"int"}]}'));
  partitions.settle();
  const first = partitions.publish(0, document(hot, other));
  partitions.step(0);
  for (let i = 0; i < WAITING_MAX; i++) partitions.publish(0, document(hot));
  const last = partitions.publish(0, document(hot));
  partitions.step(0, { inputs: WAITING_MAX + 1 });
  const outcome = partitions.outcome(0, last);
  expect(outcome?.kind === 'rejected' && outcome.rejection.code).toBe('busy');
  expect(partitions.sequencer(0).waiting.documents).toBe(WAITING_MAX);
  // The other partition promises, and the first hears of it.
  partitions.step(1);
  partitions.step(0);
  expect(partitions.sequencer(0).waiting.documents).toBe(0);
  for (let offset = first; offset < last; offset = logOffset(offset + 1))
    expect(partitions.outcome(0, offset)?.kind).toBe('committed');
});

test('of many transactions over partitions that want one entity each has its turn, the oldest first', () => {
  const partitions = new Partitions(P);
  const [hot, other] = [nameOn(0), nameOn(1)];
  partitions.publish(0, parseDocument('{"ops":[{"entity":"attribute:x","db/valueType":"int"}]}'));
  partitions.settle();
  const offsets = Array.from({ length: 300 }, () => partitions.publish(0, document(hot, other)));
  partitions.settle();
  const txs = offsets.map((offset) => {
    const outcome = partitions.outcome(0, offset);
    return outcome?.kind === 'committed' ? outcome.tx : 0n;
  });
  expect(txs).toEqual(txs.toSorted((a, b) => (a < b ? -1 : 1)));
  expect(new Set(txs).size).toBe(offsets.length);
});
