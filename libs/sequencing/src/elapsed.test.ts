import { parseDocument, partitionOf } from '@pyralog/model';
import { expect, test } from 'vitest';
import { homeOfClaim } from './claims.ts';
import { type Fate, Partitions } from './testing/partitions.ts';

const P = 3;
const HOUR_NANOS = 3_600_000_000_000n;
const document = (content: object) => parseDocument(JSON.stringify(content));

/** A name that lies on a partition. */
function nameOn(partition: number): string {
  for (let i = 0; ; i++) if (partitionOf(`e:${i}`, P) === partition) return `e:${i}`;
}

/** A login that is at home on another partition. */
function loginAwayFrom(partition: number): string {
  for (let i = 0; ; i++)
    if (homeOfClaim('login', { type: 'string', value: `l${i}` }, P) !== partition) return `l${i}`;
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

test('who holds a value is asked for again in half a second, by whatever clock', () => {
  const partitions = new Partitions(P);
  const login = { entity: 'attribute:login', 'db/valueType': 'string', 'db/unique': 'identity' };
  partitions.publish(0, document({ ops: [login] }));
  partitions.settle();
  const offset = partitions.publish(
    1,
    document({
      if: [{ entity: nameOn(1), attribute: 'login', is: 'no such' }],
      ops: [{ entity: '_:new', login: loginAwayFrom(1) }],
    }),
  );
  // It would be refused, if another did not know whose the login is; the question is lost.
  partitions.step(1, {}, () => ({ atOnce: 0, late: 0 }));
  expect(partitions.outcome(1, offset)).toBeUndefined();
  const took = partitions.settle();
  const outcome = partitions.outcome(1, offset);
  expect(outcome?.kind === 'rejected' && outcome.rejection.code).toBe('condition-failed');
  expect(took).toBeGreaterThanOrEqual(500_000_000n);
  expect(took).toBeLessThan(1_500_000_000n);
});

test('T10 a document that has asked, and waits for another by now, is not due for the answer', () => {
  const partitions = new Partitions(P);
  partitions.publish(0, document({ ops: [{ entity: 'attribute:x', 'db/valueType': 'int' }] }));
  for (let p = 0; p < P; p++)
    partitions.publish(0, document({ ops: [{ entity: nameOn(p), x: 0 }] }));
  partitions.settle();
  const lost = (): Fate => ({ atOnce: 0, late: 0 });
  const here = nameOn(1);
  partitions.publish(
    1,
    document({
      ops: [
        { entity: here, x: 1 },
        { entity: nameOn(2), x: 1 },
      ],
    }),
  );
  const asking = partitions.publish(1, document({ ops: [{ entity: here, x: 2, later: 2 }] }));
  partitions.step(1, {}, lost);
  // It need not be told: somebody else's first use tells this partition of the attribute.
  partitions.publish(1, document({ ops: [{ entity: 'e:other', later: 3 }] }));
  for (const p of [1, 0, 1, 0, 1, 0, 1, 0]) partitions.step(p);
  expect(partitions.sequencer(1).schema.attribute('later')).toBeDefined();
  expect(partitions.outcome(1, asking)).toBeUndefined();
  partitions.now += 600_000_000n;
  partitions.step(1, {}, lost);
  expect(partitions.sequencer(1).nextDue).toBeGreaterThan(partitions.now);
  partitions.settle();
  expect(partitions.outcome(1, asking)?.kind).toBe('committed');
});
