import { parseDocument, partitionOf } from '@pyralog/model';
import { expect, test } from 'vitest';
import { Partitions } from './testing/partitions.ts';

const P = 3;
const HOUR_NANOS = 3_600_000_000_000n;
const document = (content: object) => parseDocument(JSON.stringify(content));

/** A name that lies on a partition. */
function nameOn(partition: number): string {
  for (let i = 0; ; i++) if (partitionOf(`e:${i}`, P) === partition) return `e:${i}`;
}

test('a wall clock that is set back does not keep anything from being said again', () => {
  const partitions = new Partitions(P);
  const ops = [nameOn(0), nameOn(1)].map((entity) => ({ entity, x: 1 }));
  const offset = partitions.publish(0, document({ ops }));
  partitions.step(0, {}, () => ({ atOnce: 0, late: 0 }));
  partitions.now -= HOUR_NANOS;
  partitions.step(0);
  partitions.now += 600_000_000n;
  const due = partitions.sequencer(0).nextDue ?? 0n;
  expect(due <= partitions.now).toBe(true);
  partitions.step(0);
  partitions.step(1);
  partitions.step(0);
  // Its own time is an hour ahead now, and that is refused; but nobody waits.
  const outcome = partitions.outcome(0, offset);
  expect(outcome?.kind === 'rejected' && outcome.rejection.code).toBe('clock-ahead');
});
