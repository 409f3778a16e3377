/** The tables once more, each document on a database that was opened again: all it knows comes from runs and the log. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openEmbedded } from '../../services/pyralog/src/embedded.ts';
import { Subject } from '../oracle/subject.ts';
import { semanticsContract } from './database-semantics.ts';
import { commit, create } from './database-support.ts';
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

test('all partitions are as far as an import was when it is opened again', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pyralog-import-'));
  try {
    const first = await openEmbedded({ dir });
    const imported = await create(first, 'main', { mode: 'import', partitions: 4 });
    await commit(imported, { at: '2001-01-01T00:00:00Z', ops: [{ entity: 'f', n: 1 }] });
    // Of one partition alone: the others hear of its time.
    const { tx } = await commit(imported, {
      at: '2001-01-01T00:00:01Z',
      ops: [{ entity: 'a', n: 2 }],
    });
    await first[Symbol.asyncDispose]();
    await using host = await openEmbedded({ dir });
    const database = await host.database('main');
    const { basis } = await database.state({ index: 'eavt' }, { await: tx });
    expect(basis).toBeGreaterThanOrEqual(tx);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
