/** The tables once more, each document on a database that was opened again: all it knows comes from runs and the log. */
import { afterAll, expect } from 'vitest';
import { Subject } from '../oracle/subject.ts';
import { semanticsContract } from './database-semantics.ts';
import { placementsOn } from './semantics/place.ts';
import type { Stage } from './semantics/run.ts';
import { SharedThread } from './shared-thread.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

/** @param partitions of a database whose every fact is in runs when it is opened again */
const stages =
  (partitions: number) =>
  async (strict: boolean): Promise<Stage> => {
    const subject = await Subject.make(threads, { partitions, strict, factsMax: 1 });
    return {
      get database() {
        return subject.database;
      },
      async reopen() {
        await subject.flushed();
        await subject.restart();
      },
      async [Symbol.asyncDispose]() {
        await subject[Symbol.asyncDispose]();
        expect(subject.troubles).toEqual([]);
      },
    };
  };

semanticsContract('a database that was opened again', stages(1));

const OVER = placementsOn(4).filter(({ name }) => name === 'over partitions');
semanticsContract('a database on four partitions that was opened again', stages(4), 4, OVER);
