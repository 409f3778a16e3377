import type { DatabaseHost } from '@pyralog/client';
import { type CutRule, DEFAULT_CUT } from '@pyralog/indexing';
import { afterAll, afterEach, expect } from 'vitest';
import { databaseContract } from './database.ts';
import { embeddedHost } from './embedded-host.ts';
import { SharedThread } from './shared-thread.ts';
import { limitContract } from './database-limits.ts';
import { semanticsContract, stagesOf } from './database-semantics.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));

const PARTITIONS = 4;

/** A host whose databases have four partitions where nothing else is asked for. */
const make = (cutRule: CutRule) => async (): Promise<DatabaseHost> => {
  const host = await embeddedHost(threads, cutRule, (what, error) => troubles.push(what, error));
  return {
    create: (name, options = {}) => host.create(name, { partitions: PARTITIONS, ...options }),
    list: () => host.list(),
    database: (name) => host.database(name),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
};

databaseContract('the database of one process on four partitions', make(DEFAULT_CUT), PARTITIONS);

// Parts of a few facts, so that every answer is merged from many runs and the live index.
const smallRuns = make({ factsMax: 3, bytesMax: 1e9 });
databaseContract('the database on four partitions with small runs', smallRuns, PARTITIONS);

limitContract('the database of one process on four partitions', make(DEFAULT_CUT));
semanticsContract(
  'the database of one process on four partitions',
  stagesOf(make(DEFAULT_CUT)),
  PARTITIONS,
);
