/**
 * Documents that are on their way at once, over four partitions: what comes of them is explained by an order, that of
 * their tx.
 */
import { TX_NONE } from '@pyralog/model';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { SharedThread } from '../contract/shared-thread.ts';
import { transact } from './commands.ts';
import { DEFINED, definition, draft, filled } from './documents.ts';
import { explain, send } from './explain.ts';
import { Model } from './model.ts';
import { runs } from './runs.ts';
import { Subject } from './subject.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const round = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: draft },
    { weight: 1, arbitrary: definition.map((op) => ({ ops: [op] })) },
  ),
  { minLength: 2, maxLength: 8 },
);

test(
  'I9 documents that are sent at once are committed in the order of their tx, and refused for what was so meanwhile',
  { timeout: 1_800_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(round, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 3, max: 60 }),
        async (rounds, factsMax) => {
          await using subject = await Subject.make(threads, { partitions: 4, factsMax });
          const model = new Model({ strict: false, mode: 'live' });
          await transact(DEFINED, model, subject);
          for (const drafts of rounds) {
            // What has a key is sent twice: a client that has not heard of the first sends the second.
            const texts = drafts.flatMap((each) => {
              const text = filled(each, model);
              return 'id' in each && each.id !== undefined ? [text, text] : [text];
            });
            explain(await Promise.all(texts.map((text) => send(text, subject.database))), model);
          }
          const last = model.transactions.at(-1)?.tx ?? TX_NONE;
          const { facts, next } = await subject.database.state(
            { index: 'eavt', limit: 10_000 },
            { asOf: last },
          );
          expect(next).toBeUndefined();
          expect(facts).toEqual(model.fold.stateAt(last));
          expect(subject.troubles).toEqual([]);
        },
      ),
      // A smaller one may pass by chance, and looking for it takes long: the first is shown.
      { ...runs(30), endOnFailure: true },
    );
  },
);
