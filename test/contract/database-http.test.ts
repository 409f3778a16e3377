import { afterAll, afterEach, expect } from 'vitest';
import { MemoryHost } from '../http/memory-database.ts';
import { served } from '../http/served.ts';
import { databaseContract } from './database.ts';
import { embeddedHost } from './embedded-host.ts';
import { SharedThread } from './shared-thread.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));

databaseContract('a server over HTTP and its client', () => served(new MemoryHost()));

databaseContract('the database of one process over HTTP, with small runs', async () =>
  served(
    await embeddedHost(threads, { factsMax: 3, bytesMax: 1e9 }, (what, error) =>
      troubles.push(what, error),
    ),
  ),
);
