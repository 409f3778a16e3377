import { afterAll, afterEach, expect } from 'vitest';
import { MemoryHost } from '../http/memory-database.ts';
import { served } from '../http/served.ts';
import type { DatabaseHost } from '@pyralog/client';
import { databaseContract } from './database.ts';
import { limitContract } from './database-limits.ts';
import { semanticsContract, stagesOf } from './database-semantics.ts';
import { embeddedHost } from './embedded-host.ts';
import { SharedThread } from './shared-thread.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));

databaseContract('a server over HTTP and its client', () => served(new MemoryHost()));

const overHttp = async (): Promise<DatabaseHost> =>
  served(
    await embeddedHost(threads, { factsMax: 3, bytesMax: 1e9 }, (what, error) =>
      troubles.push(what, error),
    ),
  );

databaseContract('the database of one process over HTTP, with small runs', overHttp);
limitContract('the database of one process over HTTP', overHttp);
semanticsContract('the database of one process over HTTP', stagesOf(overHttp));
