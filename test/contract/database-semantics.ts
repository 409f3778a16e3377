import type { DatabaseHost } from '@pyralog/client';
import { describe, test } from 'vitest';
import { create } from './database-support.ts';
import { CONDITIONS } from './semantics/conditions.ts';
import { IDENTITY } from './semantics/identity.ts';
import { type Placement, placementsOn } from './semantics/place.ts';
import type { Row } from './semantics/row.ts';
import { runRow, type Stage } from './semantics/run.ts';
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
 * @param placements where those are, on as many partitions as the databases have
 */
export function semanticsContract(
  name: string,
  make: (strict: boolean) => Promise<Stage>,
  partitions = 1,
  placements: readonly Placement[] = placementsOn(partitions),
): void {
  for (const placement of placements) {
    describe(`${name} means with transactions, ${placement.name},`, () => {
      for (const [title, rows] of Object.entries(TABLES)) {
        for (const row of rows) {
          test(`${title}: ${row.name}`, async () => {
            await using stage = await make(row.strict ?? false);
            await runRow(row, stage, placement, partitions);
          });
        }
      }
    });
  }
}

/** A database of a new host. */
export function stagesOf(make: () => Promise<DatabaseHost>): (strict: boolean) => Promise<Stage> {
  return async (strict) => {
    const host = await make();
    const database = await create(host, 'main', { strict });
    return { database, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
  };
}
