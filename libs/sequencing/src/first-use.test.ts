import { parseDocument, partitionOf } from '@pyralog/model';
import { expect, test } from 'vitest';
import { Partitions } from './testing/partitions.ts';

const P = 3;
const document = (content: object) => parseDocument(JSON.stringify(content));

/** A name that lies on a partition. */
function nameOn(partition: number): string {
  for (let i = 0; ; i++) if (partitionOf(`e:${i}`, P) === partition) return `e:${i}`;
}

test('an attribute that began since its coordinator had asked for it is retracted', () => {
  const partitions = new Partitions(P);
  const entity = nameOn(0);
  const retract = document({ ops: [{ op: 'retract', entity, attribute: 'late' }] });
  const offset = partitions.publish(1, retract);
  partitions.step(1);
  // Partition 0 says that there is no such attribute.
  partitions.step(0);
  partitions.publish(0, document({ ops: [{ entity, late: 1 }] }));
  partitions.step(0);
  partitions.settle();
  expect(partitions.outcome(1, offset)?.kind).toBe('committed');
  const facts = [...partitions.committed().values()]
    .flat()
    .filter((fact) => fact.entity === entity)
    .map(({ operation, attribute }) => `${operation} ${attribute}`);
  expect(facts).toEqual(['assert late', 'retract late']);
});

test('a compare-and-set from absent to absent fails where the attribute began meanwhile', () => {
  const partitions = new Partitions(P);
  const entity = nameOn(0);
  const ops = [{ op: 'cas', entity, attribute: 'late', old: null, new: null }];
  const offset = partitions.publish(1, document({ ops }));
  partitions.step(1);
  partitions.step(0);
  partitions.publish(0, document({ ops: [{ entity, late: 1 }] }));
  partitions.step(0);
  partitions.settle();
  const outcome = partitions.outcome(1, offset);
  expect(outcome?.kind === 'rejected' && outcome.rejection.code).toBe('cas-failed');
});
