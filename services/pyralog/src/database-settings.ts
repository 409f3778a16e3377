import { toHex } from '@pyralog/base';
import type { CreateOptions } from '@pyralog/client';
import { type DatabaseInfo, isDatabaseName } from '@pyralog/format';
import { formatInstant, PyralogError } from '@pyralog/model';
import type { Clock, Rand } from '@pyralog/runtime';

/** @throws database-name-invalid */
export function checkName(name: string): void {
  if (isDatabaseName(name)) return;
  throw new PyralogError(
    'database-name-invalid',
    `${JSON.stringify(name)} is no name of a database.`,
    {
      hint: 'A name begins with a letter and has up to 48 lower-case letters, digits and hyphens.',
    },
  );
}

/** What is written of a new database. */
export function newDatabase(
  name: string,
  { partitions = 1, strict = false, mode = 'live' }: CreateOptions,
  { rand, clock }: { readonly rand: Rand; readonly clock: Clock },
): DatabaseInfo {
  if (partitions !== 1) {
    throw new PyralogError('parameter-invalid', `partitions: ${partitions} is not 1.`, {
      hint: 'Databases have one partition until transactions can span several.',
    });
  }
  return {
    formatVersion: 0,
    name,
    id: toHex(rand.bytes(16)),
    partitions,
    strict,
    mode,
    created: formatInstant(clock.nowNanos() / 1000n),
  };
}

/** @throws database-exists where a database that is there has other settings than asked for */
export function sameSettings(there: DatabaseInfo, asked: DatabaseInfo): void {
  const told = ({ partitions, strict, mode }: DatabaseInfo): string =>
    JSON.stringify({ partitions, strict, mode });
  if (told(there) === told(asked)) return;
  throw new PyralogError(
    'database-exists',
    `The database ${there.name} exists with other settings.`,
    { hint: `It was made with ${told(there)}.` },
  );
}

export function notFound(name: string): PyralogError {
  return new PyralogError('database-not-found', `There is no database ${JSON.stringify(name)}.`, {
    hint: `Create it with pyralog create ${name}, or PUT /v1/${name}.`,
  });
}
