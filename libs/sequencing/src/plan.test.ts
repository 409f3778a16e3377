import { emptyLogState } from '@pyralog/format';
import {
  foldSchema,
  initialSchema,
  logOffset,
  parseDocument,
  partitionNo,
  partitionOf,
  type StoredFact,
  tx,
} from '@pyralog/model';
import { expect, test } from 'vitest';
import { claimOf, homeOfClaim } from './claims.ts';
import { inputsFrom, PartitionSequencer } from './partition-sequencer.ts';
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

test('a claim whose home is here is loaded before a document is planned', () => {
  const value = { type: 'string', value: 'm' } as const;
  const home = homeOfClaim('mail', value, P);
  const said = (attribute: string, text: string): StoredFact => ({
    entity: 'attribute:mail',
    attribute,
    value: { type: 'string', value: text },
    tx: tx(1024n),
    operation: 'assert',
  });
  const sequencer = new PartitionSequencer({
    partition: partitionNo(home),
    partitions: P,
    state: emptyLogState(),
    schema: foldSchema(initialSchema({}), [
      said('db/ident', 'mail'),
      said('db/valueType', 'string'),
      said('db/unique', 'value'),
    ]),
    complete: false,
    cacheBytesMax: 1024,
  });
  const inputs = inputsFrom(logOffset(0), [
    document({ ops: [{ entity: nameOn(home), mail: 'm' }] }),
  ]);
  const needs = sequencer.needs({ inputs, messages: [] });
  expect(needs).toContainEqual({ kind: 'entity', entity: claimOf('mail', value).claim });
});
