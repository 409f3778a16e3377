import {
  blobKey,
  type Codec,
  databaseOfKey,
  decodeDatabaseInfo,
  decodeManifest,
  type FactColumns,
  isDatabaseName,
  type Manifest,
  parseBlobKey,
  parseClaimKey,
  parseManifestKey,
  referencesOf,
  runKey,
  segmentKey,
  verifyRun,
  verifySegment,
} from '@pyralog/format';
import { isPyralogError, PyralogError } from '@pyralog/model';
import { type ObjectStore, unfinishedKey } from '@pyralog/objects';
import { checkBlob } from './bucket.ts';

/** What a full read of one object found. */
export interface ObjectReport {
  readonly key: string;
  readonly bytes: number;
  readonly problem: PyralogError | undefined;
  /**
   * It is the part of an upload that the server of the store had written when it was killed. No manifest names
   * such an object, and it is not read.
   */
  readonly leftOver: boolean;
  /**
   * A blob that no fact refers to: it was put for a transaction that was not committed in the end, or is not yet.
   * That is no damage.
   */
  readonly unnamed?: boolean | undefined;
}

/** The blobs that facts refer to, of logs and files that were read. */
export class NamedBlobs {
  readonly #keys = new Set<string>();

  get keys(): ReadonlySet<string> {
    return this.#keys;
  }

  add(database: string, facts: FactColumns): void {
    for (const { sha256 } of referencesOf(facts)) this.#keys.add(blobKey(database, sha256));
  }
}

/**
 * Reads every object of the databases of a bucket and checks all of its checksums; then, that everything
 * is there that the newest manifest of each partition names (I7), in its size, and every blob that a fact refers to.
 * @param database only this one
 * @param named blobs that the commit logs name; those of segments and runs are added
 * @throws what the object store throws
 */
export async function* verifyBucket(
  objects: ObjectStore,
  codec: Codec,
  database?: string,
  named: NamedBlobs = new NamedBlobs(),
): AsyncGenerator<ObjectReport> {
  const sizes = new Map<string, number>();
  /** Newest whole manifest by the folder of its partition, with its database's name. */
  const newest = new Map<string, { readonly name: string; readonly manifest: Manifest }>();
  const blobs = new Map<string, ObjectReport>();
  for await (const { key, bytes } of objects.list(database === undefined ? '' : `${database}/`)) {
    if (isLeftOver(key)) {
      yield { key, bytes, problem: undefined, leftOver: true };
      continue;
    }
    const content = await objects.get(key);
    // Collected as garbage meanwhile: whether it is missed is for the manifests to say.
    if (content === undefined) continue;
    sizes.set(key, content.length);
    const report = (problem?: PyralogError): ObjectReport => ({
      key,
      bytes: content.length,
      problem,
      leftOver: false,
    });
    try {
      const manifest = verifyObject(key, content, codec, named);
      // Keys come in order of the manifests' numbers.
      if (manifest !== undefined)
        newest.set(key.slice(0, key.lastIndexOf('/')), {
          name: key.slice(0, key.indexOf('/')),
          manifest,
        });
      // Whether anything names it is known when all is read.
      if (parseBlobKey(key) === undefined) yield report();
      else blobs.set(key, report());
    } catch (error) {
      if (!isPyralogError(error)) throw error;
      yield report(error);
    }
  }
  for (const { name, manifest } of newest.values()) yield* missingObjects(name, manifest, sizes);
  for (const [key, report] of blobs)
    yield named.keys.has(key) ? report : { ...report, unnamed: true };
  for (const key of named.keys) if (!sizes.has(key)) yield* missingBlob(objects, key);
}

/** A blob that was not there when the listing came by; a server that runs may have put it since. */
async function* missingBlob(objects: ObjectStore, key: string): AsyncGenerator<ObjectReport> {
  const content = await objects.get(key);
  let problem: PyralogError | undefined;
  if (content === undefined)
    problem = new PyralogError('object-missing', `${key} is not there, and a fact refers to it.`);
  else
    try {
      checkBlob(key, parseBlobKey(key) ?? '', content);
    } catch (error) {
      if (!isPyralogError(error)) throw error;
      problem = error;
    }
  yield { key, bytes: content?.length ?? 0, problem, leftOver: false };
}

/** @throws object-damaged, format-unknown */
function verifyObject(
  key: string,
  content: Uint8Array,
  codec: Codec,
  named: NamedBlobs,
): Manifest | undefined {
  const sha256 = parseBlobKey(key) ?? parseClaimKey(key);
  const database = key.slice(0, key.indexOf('/'));
  const onFacts = (facts: FactColumns): void => {
    if (isDatabaseName(database)) named.add(database, facts);
  };
  if (databaseOfKey(key) !== undefined) decodeDatabaseInfo(content, key);
  else if (sha256 !== undefined) checkBlob(key, sha256, content);
  else if (key.endsWith('.run')) verifyRun(content, codec, key, onFacts);
  else if (key.endsWith('.arrow')) verifySegment(content, codec, key, onFacts);
  else if (parseManifestKey(key) !== undefined) return decodeManifest(content, key);
  else
    throw new PyralogError('format-unknown', `${key} is no object of a database of this version.`, {
      hint: 'Where nothing of yours put it there, a later version did.',
    });
  return undefined;
}

function isLeftOver(key: string): boolean {
  const whole = unfinishedKey(key);
  return (
    whole !== undefined &&
    (databaseOfKey(whole) !== undefined ||
      /\.(run|arrow)$/.test(whole) ||
      parseManifestKey(whole) !== undefined ||
      parseClaimKey(whole) !== undefined)
  );
}

function* missingObjects(
  database: string,
  { number, partition, segments, runs }: Manifest,
  sizes: ReadonlyMap<string, number>,
): Generator<ObjectReport> {
  const named = [
    ...segments.map(({ name, bytes }) => ({ key: segmentKey(database, partition, name), bytes })),
    ...runs.map(({ name, bytes }) => ({ key: runKey(database, partition, name), bytes })),
  ];
  for (const { key, bytes } of named) {
    const found = sizes.get(key);
    if (found === bytes) continue;
    const problem =
      found === undefined
        ? new PyralogError(
            'object-missing',
            `${key} is not there, and manifest ${number} names it.`,
          )
        : new PyralogError(
            'object-damaged',
            `${key} has ${found} bytes, and manifest ${number} says ${bytes}.`,
          );
    yield { key, bytes: 0, problem, leftOver: false };
  }
}
