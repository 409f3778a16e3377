/**
 * A database does what a list of facts does that is told the same: random transactions, definitions, reads of every
 * kind and moment, flushes and restarts, on one partition and over four.
 */
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { SharedThread } from '../contract/shared-thread.ts';
import { commands, transact } from './commands.ts';
import { DEFINED } from './documents.ts';
import { Model } from './model.ts';
import { runs } from './runs.ts';
import { Subject } from './subject.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

test.each([1, 4])(
  'I5 I8 a database of %i partitions is the facts that its documents mean',
  { timeout: 1_800_000 },
  async (partitions) => {
    await fc.assert(
      fc.asyncProperty(commands, fc.integer({ min: 3, max: 60 }), async (steps, factsMax) => {
        await using subject = await Subject.make(threads, { partitions, factsMax });
        const model = new Model({ strict: false, mode: 'live' });
        await transact(DEFINED, model, subject);
        await fc.asyncModelRun(() => ({ model, real: subject }), steps);
        expect(subject.troubles).toEqual([]);
      }),
      runs(partitions === 1 ? 100 : 50),
    );
  },
);
