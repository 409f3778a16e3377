import {
  type LogOffset,
  parseDocument,
  partitionOf,
  type TransactionDocument,
} from '@pyralog/model';
import { beforeEach, expect, test } from 'vitest';
import { Partitions } from './testing/partitions.ts';

const document = (...ops: readonly object[]): TransactionDocument =>
  parseDocument(JSON.stringify({ ops }));

/** Of three partitions, by where they lie. */
const [f, a, b] = ['f', 'a', 'b'];
let partitions: Partitions;

beforeEach(() => {
  partitions = new Partitions(3);
  partitions.publish(0, document({ entity: 'attribute:x', 'db/valueType': 'int' }));
  // All of them have used it.
  for (const entity of [f, a, b]) partitions.publish(0, document({ entity, x: 0 }));
  partitions.settle();
});

/** Kinds of the items about a document in the log of its coordinator. */
function story(p: number, offset: number): readonly string[] {
  return partitions.log(p).flatMap((record) => {
    if (record.kind === 'epoch') return [];
    return record.items.flatMap((item) =>
      'offset' in item && item.offset === offset ? item.kind : [],
    );
  });
}

test('the entities of these tests lie on the partitions of their places', () => {
  expect([f, a, b].map((entity) => partitionOf(entity, 3))).toEqual([0, 1, 2]);
});

test('T10 a part that waits for a younger transaction of its own partition goes on when that is decided', () => {
  const older = partitions.publish(0, document({ entity: a, x: 1 }));
  partitions.step(0);
  const younger = partitions.publish(1, document({ entity: a, x: 2 }, { entity: b, x: 2 }));
  partitions.now += 1_000_000n;
  partitions.step(1, { messages: 0 });
  expect(partitions.settle(), 'nothing was waited for').toBe(0n);
  for (const [p, offset] of [
    [0, older],
    [1, younger],
  ] as const)
    expect(story(p, offset)).toEqual(['begin', 'decided', 'end']);
});

test('T10 a document that gave way to a waiting part goes on when that is refused', () => {
  const older = partitions.publish(0, document(failing(b)));
  const younger = partitions.publish(1, document({ entity: a, x: 1 }, { entity: b, x: 1 }));
  const third = partitions.publish(2, document({ entity: b, x: 3 }, { entity: a, x: 3 }));
  // The younger one is asked for first, so that the older one waits for it, and the third for both.
  partitions.step(0, {}, () => ({ atOnce: 0, late: 1 }));
  partitions.now += 1_000_000n;
  partitions.step(1);
  partitions.deliverLate(0);
  partitions.now += 1_000_000n;
  expect(partitions.settle(), 'nothing was waited for').toBe(0n);
  expect(story(0, older)).toEqual(['begin', 'refused', 'end']);
  expect(story(1, younger)).toEqual(['begin', 'decided', 'end']);
  expect(story(2, third)).toEqual(['begin', 'decided', 'end']);
});

test('T6 a part that is promised again on the way to its end is given up before the next attempt is heard of', () => {
  const younger = partRefused();
  expect(story(0, younger)).toEqual(['begin', 'retry']);
  partitions.kill(1);
  partitions.step(1, { inputs: 0, messages: 1 });
  partitions.now += 5_000_000n;
  partitions.step(0);
  expect(story(0, younger)).toEqual(['begin', 'retry', 'begin']);
  expect(partStory(1, younger)).toEqual(['prepared']);
  partitions.settle();
  expect(story(0, younger).slice(-2)).toEqual(['decided', 'end']);
  expect(partStory(1, younger)).toEqual(['prepared', 'aborted', 'prepared', 'committed']);
  expect(partitions.sequencer(1).waiting).toEqual({ documents: 0, begun: 0, prepared: 0 });
});

test('T6 a part that one record promises, gives up and promises to the next attempt is open once at a cut', () => {
  const younger = partRefused();
  partitions.now += 5_000_000n;
  partitions.step(0);
  // All of it is heard once more, by who has nothing in line.
  partitions.kill(1);
  partitions.step(1, { inputs: 0 });
  expect(partStory(1, younger)).toEqual(['prepared', 'aborted', 'prepared']);
  const reopened = partitions.reopened(1, partitions.log(1).length);
  expect(reopened.waiting).toEqual({ documents: 0, begun: 0, prepared: 1 });
});

/**
 * A part is asked for, refused for an older transaction's sake and given up, of which the log of the second
 * partition has nothing.
 * @returns the document that it is of
 */
function partRefused(): LogOffset {
  // In line, for it asks the first partition, where that is not heard: nothing of it is in the log.
  partitions.publish(1, document({ entity: a, x: 1 }, { entity: a, later: 1 }));
  partitions.step(1, {}, () => ({ atOnce: 0, late: 0 }));
  partitions.now += 1_000_000n;
  const younger = partitions.publish(0, document({ entity: f, x: 2 }, { entity: a, x: 2 }));
  for (const p of [0, 1, 0, 1, 0]) partitions.step(p);
  return younger;
}

/** Kinds of the items about a part of the first partition's document in the log of a participant. */
function partStory(p: number, offset: number): readonly string[] {
  return partitions.log(p).flatMap((record) => {
    if (record.kind === 'epoch') return [];
    return record.items.flatMap((item) =>
      'id' in item && item.id.coordinator === 0 && item.id.offset === offset ? item.kind : [],
    );
  });
}

/** An operation that does not hold. */
function failing(entity: string | undefined): object {
  return { op: 'cas', entity, attribute: 'x', old: 5, new: 6 };
}
