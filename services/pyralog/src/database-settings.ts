import { toHex } from '@pyralog/base';
import type { CreateOptions } from '@pyralog/client';
import {
  databaseKey,
  databaseOfKey,
  type DatabaseInfo,
  decodeDatabaseInfo,
  encodeDatabaseInfo,
  isDatabaseName,
} from '@pyralog/format';
import { formatInstant, PyralogError } from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import type { Clock, Rand } from '@pyralog/runtime';

/** @throws database-name-invalid */
function checkName(name: string): void {
  if (isDatabaseName(name)) return;
  throw new PyralogError(
    'database-name-invalid',
    `${JSON.stringify(name)} is no name of a database.`,
    {
      hint: 'A name begins with a letter and has up to 48 lower-case letters, digits and hyphens.',
    },
  );
}

/** What a list of databases is kept with. */
export interface SettingsPorts {
  /** Partitions of a database where nobody says how many. */
  readonly partitionsDefault: number;
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly rand: Rand;
}

/**
 * Writes the settings of a new database; one that is there keeps its own.
 * @throws database-name-invalid, database-exists where it has other settings
 */
export async function createDatabase(
  name: string,
  options: CreateOptions,
  ports: SettingsPorts,
): Promise<{ readonly info: DatabaseInfo; readonly result: 'created' | 'exists' }> {
  checkName(name);
  const { objects } = ports;
  const info = newDatabase(name, options, ports);
  const key = databaseKey(name);
  // Looked for first: what is there already needs no room on the disk.
  const isKnown = (await objects.head(key)) !== undefined;
  if (!isKnown && (await objects.put(key, encodeDatabaseInfo(info))) === 'created')
    return { info, result: 'created' };
  const there = await databaseInfo(name, objects);
  sameSettings(there, { ...info, partitions: options.partitions ?? there.partitions });
  return { info: there, result: 'exists' };
}

/** Names of all databases, in byte order. */
export async function databaseNames(objects: ObjectStore): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { key } of objects.list('')) {
    const name = databaseOfKey(key);
    if (name !== undefined) names.push(name);
  }
  return names;
}

/** @throws database-name-invalid, database-not-found */
export async function databaseInfo(name: string, objects: ObjectStore): Promise<DatabaseInfo> {
  checkName(name);
  const key = databaseKey(name);
  const bytes = await objects.get(key);
  if (bytes === undefined) throw notFound(name);
  return decodeDatabaseInfo(bytes, key);
}

/** Partitions of a database at most. */
const DATABASE_PARTITIONS_MAX = 64;

/** What is written of a new database. */
function newDatabase(
  name: string,
  { partitions, strict = false, mode = 'live' }: CreateOptions,
  { rand, clock, partitionsDefault }: SettingsPorts,
): DatabaseInfo {
  const count = partitions ?? partitionsDefault;
  if (!Number.isInteger(count) || count < 1 || count > DATABASE_PARTITIONS_MAX) {
    throw new PyralogError(
      'parameter-invalid',
      `partitions: ${count} is not a whole number from 1 to ${DATABASE_PARTITIONS_MAX}.`,
      { hint: 'One is enough for a process; in a cluster each can be led by another process.' },
    );
  }
  return {
    formatVersion: 0,
    name,
    id: toHex(rand.bytes(16)),
    partitions: count,
    strict,
    mode,
    created: formatInstant(clock.nowNanos() / 1000n),
  };
}

/** @throws database-exists where a database that is there has other settings than asked for */
function sameSettings(there: DatabaseInfo, asked: DatabaseInfo): void {
  const told = ({ partitions, strict, mode }: DatabaseInfo): string =>
    JSON.stringify({ partitions, strict, mode });
  if (told(there) === told(asked)) return;
  throw new PyralogError(
    'database-exists',
    `The database ${there.name} exists with other settings.`,
    { hint: `It was made with ${told(there)}.` },
  );
}

function notFound(name: string): PyralogError {
  return new PyralogError('database-not-found', `There is no database ${JSON.stringify(name)}.`, {
    hint: `Create it with pyralog create ${name}, or PUT /v1/${name}.`,
  });
}
