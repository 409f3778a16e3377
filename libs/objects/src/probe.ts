import { randomBytes } from 'node:crypto';
import { PyralogError } from '@pyralog/model';
import type { ObjectStore } from './objects.ts';
import { capital } from './sentence.ts';

/** Where a probe writes. No database has a name like it. */
const PROBES = '_probe/';
/** A probe this old was cut off, in milliseconds. */
const PROBE_AGE_MAX = 60 * 60 * 1000;
/** Writers of one key at once. */
const WRITERS = 16;
/**
 * Keys that are raced for, one after the other. Stores that look first and write then were seen to lose one
 * key in six: a single race finds out about few of them.
 */
const KEYS = 8;

/**
 * Whether a store keeps the first writer of a name, which every manifest relies on: a key is put twice, and
 * several are raced for. Writes under `_probe/`, and leaves nothing behind; what a probe left that was
 * killed, a later one sweeps.
 *
 * @param name names the store in errors, as `the bucket kb at http://127.0.0.1:9000`
 * @throws PyralogError `store-unfit` with the reason, and what the store throws
 */
export async function probeObjectStore(store: ObjectStore, name: string): Promise<void> {
  await sweep(store);
  const folder = `${PROBES}${Date.now()}-${randomBytes(8).toString('hex')}`;
  try {
    await putTwice(store, `${folder}/twice`, name);
    for (let i = 0; i < KEYS; i++) await race(store, `${folder}/race-${i}`, name);
  } catch (error) {
    // What is wrong with the store may forbid this too, and is what there is to tell.
    await removeAll(store, `${folder}/`).catch(() => undefined);
    throw error;
  }
  await removeAll(store, `${folder}/`);
}

async function putTwice(store: ObjectStore, key: string, name: string): Promise<void> {
  const outcomes = [await store.put(key, content(0)), await store.put(key, content(1))];
  if (outcomes.join() !== 'created,exists') throw writtenTwice(name, outcomes.join(', then '));
  if (textOf(await store.get(key)) !== textOf(content(0)))
    throw writtenTwice(name, 'the second content is there');
}

async function race(store: ObjectStore, key: string, name: string): Promise<void> {
  const outcomes = await Promise.all(
    Array.from({ length: WRITERS }, (_, writer) => store.put(key, content(writer))),
  );
  const created = outcomes.filter((outcome) => outcome === 'created').length;
  if (created !== 1) throw writtenTwice(name, `${created} of ${WRITERS} writers created it`);
  const there = textOf(await store.get(key));
  if (there !== textOf(content(outcomes.indexOf('created'))))
    throw writtenTwice(name, 'the content of another than its creator is there');
}

function content(writer: number): Uint8Array {
  return Buffer.from(`written by ${writer}`);
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString();
}

function writtenTwice(name: string, seen: string): PyralogError {
  return new PyralogError(
    'store-unfit',
    `${capital(name)} lets a name be written twice (${seen}).`,
    {
      hint: 'Pyralog needs a store that knows If-None-Match: * and lets one writer win, as Amazon S3 does.',
    },
  );
}

async function sweep(store: ObjectStore): Promise<void> {
  const old = Date.now() - PROBE_AGE_MAX;
  for await (const { key } of store.list(PROBES)) {
    const since = Number(key.slice(PROBES.length).split('-')[0]);
    if (since < old) await store.delete(key);
  }
}

async function removeAll(store: ObjectStore, prefix: string): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  await Promise.all(keys.map((key) => store.delete(key)));
}
