import { parseDocument, partitionOf } from '@pyralog/model';
import { expect, test } from 'vitest';
import { Partitions } from './testing/partitions.ts';

const P = 3;

/** Names that lie on a partition. */
function namesOn(partition: number): string[] {
  return Array.from({ length: 60 }, (_, i) => `e:${i}`).filter(
    (name) => partitionOf(name, P) === partition,
  );
}

const [[a = '', c = ''], [b = '', f = ''], [d = '']] = [namesOn(0), namesOn(1), namesOn(2)];
const document = (content: object) => parseDocument(JSON.stringify(content));

function begun(): Partitions {
  const partitions = new Partitions(P);
  partitions.publish(0, document({ ops: [{ entity: 'attribute:x', 'db/valueType': 'int' }] }));
  partitions.settle();
  for (let p = 0; p < P; p++) partitions.publish(p, document({ ops: [{ entity: 'y', x: p }] }));
  partitions.settle();
  return partitions;
}

function lastKinds(partitions: Partitions, p: number): readonly string[] {
  const record = partitions.log(p).at(-1);
  return record?.kind === 'items' ? record.items.map(({ kind }) => kind) : [];
}

test('what a coordinator releases goes at once to an older part that waits for it', () => {
  const partitions = begun();
  partitions.publish(2, document({ ops: [d, a].map((entity) => ({ entity, x: 1 })) }));
  partitions.step(2);
  partitions.now += 1_000_000n;
  partitions.publish(0, document({ ops: [a, d].map((entity) => ({ entity, x: 2 })) }));
  partitions.step(0, { messages: 0 });
  // The older one waits here, and the younger one gives way there.
  partitions.step(0);
  partitions.step(2);
  partitions.step(0);
  expect(lastKinds(partitions, 0)).toEqual(['retry', 'prepared']);
});

test('a document that waits for an older part goes on when that leaves without a promise', () => {
  const partitions = begun();
  const ops = [d, c].map((entity) => ({ entity, x: 1 }));
  partitions.publish(2, document({ if: [{ entity: a, attribute: 'x', is: 99 }], ops }));
  partitions.step(2);
  partitions.now += 1_000_000n;
  partitions.publish(0, document({ ops: [c, b].map((entity) => ({ entity, x: 2 })) }));
  partitions.step(0, { messages: 0 });
  partitions.step(0);
  // Behind the older part, which waits for the one before.
  partitions.publish(0, document({ ops: [a, f].map((entity) => ({ entity, x: 3 })) }));
  partitions.step(0);
  expect(partitions.sequencer(0).waiting).toMatchObject({ documents: 1, begun: 1 });
  partitions.step(1);
  partitions.step(0);
  expect(lastKinds(partitions, 0)).toEqual(['decided', 'begin']);
});

test('a wall clock that is set back does not keep anything from being said again', () => {
  const partitions = begun();
  const ops = [a, b].map((entity) => ({ entity, x: 1 }));
  const offset = partitions.publish(0, document({ ops }));
  // Lost.
  partitions.step(0, {}, () => 0);
  partitions.now -= 3_600_000_000_000n;
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
