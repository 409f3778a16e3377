import { assert } from '@pyralog/base';
import { INDEX_ORDERS, type IndexOrder, type LogOffset, type PartitionNo } from '@pyralog/model';

/**
 * Keys of all objects of a bucket (design section 7). Numbers are padded, so that a listing in byte
 * order is one in order of numbers.
 */
const OFFSET_DIGITS = 16;
const GENERATION_DIGITS = 4;
const MANIFEST_DIGITS = 12;
const HASH = '[0-9a-f]{64}';

const DATABASE_NAME = /^[a-z][a-z0-9-]{0,47}$/;
const SEGMENT_NAME = new RegExp(`^(\\d{${GENERATION_DIGITS}})-(\\d{${OFFSET_DIGITS}})\\.arrow$`);
const RUN_NAME = new RegExp(`^(${INDEX_ORDERS.join('|')})-(0|[1-9]\\d?)-(${HASH})\\.run$`);
const MANIFEST_KEY = new RegExp(`/(\\d{${MANIFEST_DIGITS}})\\.json$`);
const SHA256 = new RegExp(`^${HASH}$`);
const BLOB_KEY = new RegExp(`^[^/]+/blobs/(${HASH})$`);
const CLAIM_KEY = new RegExp(`^[^/]+/claims/(${HASH})$`);
const INFO_KEY = /^([^/]+)\/database\.json$/;

/**
 * Whether a database may be called so: a letter, then up to 47 letters, digits and hyphens, all
 * lower case.
 */
export function isDatabaseName(name: string): boolean {
  return DATABASE_NAME.test(name);
}

/** Key of the object that says what a database is. */
export function databaseKey(database: string): string {
  return `${checked(database)}/database.json`;
}

/** @returns the database whose `database.json` this is. */
export function databaseOfKey(key: string): string | undefined {
  const name = INFO_KEY.exec(key)?.[1];
  return name !== undefined && isDatabaseName(name) ? name : undefined;
}

/** Files of the log: `<generation>-<first offset>.arrow`. A topic made anew is a new generation. */
export function segmentName(generation: number, first: LogOffset): string {
  return `${padded(generation, GENERATION_DIGITS)}-${padded(first, OFFSET_DIGITS)}.arrow`;
}

/** What the name of a segment says; undefined for other names. */
export function parseSegmentName(
  name: string,
): { readonly generation: number; readonly first: LogOffset } | undefined {
  const parts = SEGMENT_NAME.exec(name);
  return parts === null
    ? undefined
    : { generation: Number(parts[1]), first: Number(parts[2]) as LogOffset };
}

/** Key of a segment by its name. */
export function segmentKey(database: string, partition: PartitionNo, name: string): string {
  assert(SEGMENT_NAME.test(name), `no name of a segment: ${name}`);
  return `${checked(database)}/segments/${partition}/${name}`;
}

/** Sorted runs: `<order>-<level>-<hash>.run`; the hash is of the content, so equal files meet. */
export function runName(order: IndexOrder, level: number, hash: string): string {
  const name = `${order}-${level}-${hash}.run`;
  assert(RUN_NAME.test(name), `no name of a run: ${name}`);
  return name;
}

/** What the name of a run says; undefined for other names. */
export function parseRunName(
  name: string,
): { readonly order: IndexOrder; readonly level: number; readonly hash: string } | undefined {
  const parts = RUN_NAME.exec(name);
  return parts === null
    ? undefined
    : { order: parts[1] as IndexOrder, level: Number(parts[2]), hash: parts[3] as string };
}

/** Key of what was too large for a record of a log, by the SHA-256 of its bytes, hexadecimal. */
export function claimKey(database: string, sha256: string): string {
  assert(SHA256.test(sha256), `no SHA-256: ${sha256}`);
  return `${checked(database)}/claims/${sha256}`;
}

/** @returns the SHA-256 that the claimed object with this key is called after. */
export function parseClaimKey(key: string): string | undefined {
  return CLAIM_KEY.exec(key)?.[1];
}

/** Key of a run by its name. */
export function runKey(database: string, partition: PartitionNo, name: string): string {
  assert(RUN_NAME.test(name), `no name of a run: ${name}`);
  return `${checked(database)}/index/${partition}/${name}`;
}

/** All manifests of a partition begin with it. */
export function manifestPrefix(database: string, partition: PartitionNo): string {
  return `${checked(database)}/manifest/${partition}/`;
}

/** Key of a manifest by its number, padded so that keys sort as numbers do. */
export function manifestKey(database: string, partition: PartitionNo, number: number): string {
  return `${manifestPrefix(database, partition)}${padded(number, MANIFEST_DIGITS)}.json`;
}

/** @returns the number of the manifest with this key. */
export function parseManifestKey(key: string): number | undefined {
  const digits = MANIFEST_KEY.exec(key)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Values above 64 KiB, by the SHA-256 of their bytes. */
export function blobKey(database: string, sha256: string): string {
  assert(SHA256.test(sha256), `no SHA-256: ${sha256}`);
  return `${checked(database)}/blobs/${sha256}`;
}

/** @returns the SHA-256 that the blob with this key is named by. */
export function parseBlobKey(key: string): string | undefined {
  return BLOB_KEY.exec(key)?.[1];
}

/** All segments of a partition begin with it. */
export function segmentPrefix(database: string, partition: PartitionNo): string {
  return `${checked(database)}/segments/${partition}/`;
}

/** All runs of a partition begin with it. */
export function runPrefix(database: string, partition: PartitionNo): string {
  return `${checked(database)}/index/${partition}/`;
}

function checked(database: string): string {
  assert(isDatabaseName(database), `no name of a database: ${database}`);
  return database;
}

function padded(number: number, digits: number): string {
  const text = String(number).padStart(digits, '0');
  assert(
    Number.isSafeInteger(number) && number >= 0 && text.length === digits,
    'number out of range',
  );
  return text;
}
