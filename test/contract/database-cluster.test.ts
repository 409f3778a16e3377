import { type CutRule, DEFAULT_CUT } from '@pyralog/indexing';
import { afterAll, afterEach, expect } from 'vitest';
import { ClusterOfOne } from './cluster-host.ts';
import { databaseContract } from './database.ts';
import { SharedThread } from './shared-thread.ts';
import { semanticsContract, stagesOf } from './database-semantics.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));
const make = (cutRule: CutRule) => () =>
  ClusterOfOne.start(threads, cutRule, (what, error) => troubles.push(what, error));

databaseContract('the database of a cluster', make(DEFAULT_CUT));

databaseContract('the database of a cluster with small runs', make({ factsMax: 3, bytesMax: 1e9 }));

semanticsContract('the database of a cluster', stagesOf(make(DEFAULT_CUT)));
