import { type CutRule, DEFAULT_CUT } from '@pyralog/indexing';
import { afterAll, afterEach, expect } from 'vitest';
import { databaseContract } from './database.ts';
import { embeddedHost } from './embedded-host.ts';
import { SharedThread } from './shared-thread.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));
const make = (cutRule: CutRule) => () =>
  embeddedHost(threads, cutRule, (what, error) => troubles.push(what, error));

databaseContract('the database of one process', make(DEFAULT_CUT));

// Parts of a few facts, so that every answer is merged from many runs and the live index.
databaseContract(
  'the database of one process with small runs',
  make({ factsMax: 3, bytesMax: 1e9 }),
);
