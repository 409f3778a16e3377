import type { DatabaseHost } from '@pyralog/client';
import { describe, test } from 'vitest';
import { create } from './database-support.ts';
import { CONDITIONS } from './semantics/conditions.ts';
import { IDENTITY } from './semantics/identity.ts';
import { placementsOn } from './semantics/place.ts';
import type { Row } from './semantics/row.ts';
import { runRow } from './semantics/run.ts';
import { SCHEMA } from './semantics/schema.ts';
import { SETS, SWAPS } from './semantics/sets.ts';
import { UNIQUE } from './semantics/unique.ts';
import { VALUES } from './semantics/values.ts';

const TABLES: Readonly<Record<string, readonly Row[]>> = {
  'operations of one transaction': SETS,
  'compare and set': SWAPS,
  conditions: CONDITIONS,
  'unique values': UNIQUE,
  'temporary ids': IDENTITY,
  values: VALUES,
  schema: SCHEMA,
};

/**
 * What transactions mean, in tables. Every row holds wherever the entities and values lie that it is about.
 * @param partitions of databases that are made without saying
 */
export function semanticsContract(make: () => Promise<DatabaseHost>, partitions: number): void {
  for (const placement of placementsOn(partitions)) {
    describe(`the meaning of transactions ${placement.name}`, () => {
      for (const [title, rows] of Object.entries(TABLES)) {
        for (const row of rows) {
          test(`${title}: ${row.name}`, async () => {
            await using host = await make();
            const database = await create(host, 'main', { strict: row.strict ?? false });
            await runRow(row, database, placement, partitions);
          });
        }
      }
    });
  }
}
