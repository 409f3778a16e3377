import { createHash } from 'node:crypto';
import {
  type Codec,
  databaseOfKey,
  decodeDatabaseInfo,
  decodeManifest,
  type Manifest,
  parseClaimKey,
  parseManifestKey,
  runKey,
  segmentKey,
  verifyRun,
  verifySegment,
} from '@pyralog/format';
import { isPyralogError, PyralogError } from '@pyralog/model';
import { type ObjectStore, unfinishedKey } from '@pyralog/objects';

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
}

/**
 * Reads every object of the databases of a bucket and checks all of its checksums; then, that everything
 * is there that the newest manifest of each partition names (I7), in its size.
 * @param database only this one
 * @throws what the object store throws
 */
export async function* verifyBucket(
  objects: ObjectStore,
  codec: Codec,
  database?: string,
): AsyncGenerator<ObjectReport> {
  const sizes = new Map<string, number>();
  /** Newest whole manifest by the folder of its partition, with its database's name. */
  const newest = new Map<string, { readonly name: string; readonly manifest: Manifest }>();
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
      const manifest = verifyObject(key, content, codec);
      // Keys come in order of the manifests' numbers.
      if (manifest !== undefined)
        newest.set(key.slice(0, key.lastIndexOf('/')), {
          name: key.slice(0, key.indexOf('/')),
          manifest,
        });
      yield report();
    } catch (error) {
      if (!isPyralogError(error)) throw error;
      yield report(error);
    }
  }
  for (const { name, manifest } of newest.values()) yield* missingObjects(name, manifest, sizes);
}

/** @throws object-damaged, format-unknown */
function verifyObject(key: string, content: Uint8Array, codec: Codec): Manifest | undefined {
  if (databaseOfKey(key) !== undefined) decodeDatabaseInfo(content, key);
  else if (key.endsWith('.run')) verifyRun(content, codec, key);
  else if (key.endsWith('.arrow')) verifySegment(content, codec, key);
  else if (parseManifestKey(key) !== undefined) return decodeManifest(content, key);
  else if (parseClaimKey(key) !== undefined) verifyClaim(key, content);
  else
    throw new PyralogError('format-unknown', `${key} is no object of a database of this version.`, {
      hint: 'Where nothing of yours put it there, a later version did.',
    });
  return undefined;
}

/** Of an object that is called after its content. @throws object-damaged */
function verifyClaim(key: string, content: Uint8Array): void {
  if (createHash('sha256').update(content).digest('hex') === parseClaimKey(key)) return;
  throw new PyralogError(
    'object-damaged',
    `${key} does not have the SHA-256 that it is called after.`,
  );
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
