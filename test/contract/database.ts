import type { DatabaseHost } from '@pyralog/client';
import { describe } from 'vitest';
import { feedContract } from './database-feed.ts';
import { hostContract } from './database-hosts.ts';
import { longValueContract } from './database-long-values.ts';
import { raceContract } from './database-races.ts';
import { readContract } from './database-reads.ts';
import { writeContract } from './database-writes.ts';

/**
 * What every `Database` and `DatabaseHost` promises, wherever it runs. Each test has a host of its own.
 * @param make a host without databases
 * @param partitions of databases that are made without saying
 */
export function databaseContract(
  name: string,
  make: () => Promise<DatabaseHost>,
  partitions = 1,
): void {
  describe(`${name} is a host of databases`, () => {
    hostContract(make, partitions);
    writeContract(make);
    raceContract(make);
    readContract(make);
    feedContract(make);
    longValueContract(make);
  });
}
