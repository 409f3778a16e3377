/**
 * The workload that every store is measured on: people of ten attributes, loaded, updated, and asked
 * for now and in the past. gen.mjs writes it with the expected answer of every read; here it becomes
 * transaction documents.
 */
import { spawnSync } from 'node:child_process';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** One replaced or first value: entity number, attribute, value as gen.mjs draws it. */
export type WorkloadOperation = readonly [number, string, string | number | boolean];

export interface WorkloadTransaction {
  readonly tx: number;
  readonly p: string;
  readonly ops: readonly WorkloadOperation[];
}

export type PersonRow = readonly (string | number | boolean)[];

export interface Draws {
  readonly attrs: readonly string[];
  readonly mid: number;
  readonly last: number;
  readonly R1: readonly { e: number; a: string; x: string | number | boolean }[];
  readonly R2: readonly { e: number; x: PersonRow }[];
  readonly R3: readonly { e: number; t: number; x: PersonRow }[];
  readonly R3z: readonly { e: number; t: number; x: PersonRow }[];
  readonly R4: readonly { e: number; datoms: number; versions: number }[];
  readonly R4z: readonly { e: number; datoms: number; versions: number }[];
  readonly R5: readonly { e: number; email: string; x: string }[];
  readonly R6: { n: number; x: Readonly<Record<string, number>> };
  readonly R7: { n: number; t: number; x: Readonly<Record<string, number>> };
  readonly R8: readonly { e: number; x: number }[];
  readonly R9: readonly { t: number; datoms: number; ents: number }[];
}

/** A small document of W4: three facts about an entity of its own. */
export interface WorkloadDocument {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly age: number;
}

export interface WorkloadSize {
  readonly entities: number;
  readonly updates: number;
  readonly draws: number;
}

/** Generates the workload into `cache` unless it is there. @returns its folder */
export function generate(cache: string, { entities, updates, draws }: WorkloadSize): string {
  const folder = join(cache, `workload-${entities}-${updates}-${draws}`);
  if (existsSync(join(folder, 'meta.json'))) return folder;
  const script = fileURLToPath(new URL('./gen.mjs', import.meta.url));
  const options = ['--entities', entities, '--updates', updates, '--draws', draws].map(String);
  const run = spawnSync(process.execPath, [script, folder, ...options], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`gen.mjs failed: ${run.stderr}`);
  return folder;
}

export function readDraws(folder: string): Draws {
  return JSON.parse(readFileSync(join(folder, 'draws.json'), 'utf8')) as Draws;
}

/** The transactions of one part (`w1`, `w2`, `w3`), in order. */
export function transactions(folder: string, part: string): AsyncIterable<WorkloadTransaction> {
  return lines<WorkloadTransaction>(folder, part);
}

/** The documents of W4. */
export function documents(folder: string): AsyncIterable<WorkloadDocument> {
  return lines<WorkloadDocument>(folder, 'w4');
}

async function* lines<T>(folder: string, part: string): AsyncIterable<T> {
  const input = createReadStream(join(folder, `${part}.jsonl`));
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    yield JSON.parse(line) as T;
  }
}

/** Attributes of a person; their places are those of a {@link PersonRow}. */
export const ATTRIBUTES: readonly string[] = [
  'name',
  'email',
  'age',
  'born',
  'score',
  'active',
  'boss',
  'friend',
  'city',
  'bio',
];

/** Entity id of a person. */
export const person = (e: number): string => `${PERSON}${e}`;

/** Number of the person that an entity id is of. */
export const personNumber = (id: string): number => Number(id.slice(PERSON.length));

const PERSON = 'person:';

/** The schema of the workload as one transaction document. */
export const SCHEMA_DOCUMENT = {
  ops: Object.entries({
    name: ['string'],
    email: ['string', 'value'],
    age: ['int'],
    born: ['instant'],
    score: ['double'],
    active: ['bool'],
    boss: ['ref'],
    friend: ['ref'],
    city: ['string', undefined, true],
    bio: ['string'],
  } as Record<string, readonly [string, (string | undefined)?, boolean?]>).map(
    ([ident, [valueType, unique, index]]) => ({
      entity: `attribute:${ident}`,
      'db/ident': ident,
      'db/valueType': valueType,
      'db/cardinality': 'one',
      ...(unique === undefined ? {} : { 'db/unique': unique }),
      ...(index === undefined ? {} : { 'db/index': index }),
    }),
  ),
};

/** A transaction as a document: one map form per entity, as a writer would send it. */
export function toDocument(transaction: WorkloadTransaction): Uint8Array {
  return Buffer.from(JSON.stringify({ ops: toOperations(transaction) }));
}

/** The operations of that document as data. */
export function toOperations({ ops }: WorkloadTransaction): Record<string, unknown>[] {
  const maps = new Map<number, Record<string, unknown>>();
  for (const [e, attribute, value] of ops) {
    let map = maps.get(e);
    if (map === undefined) maps.set(e, (map = { entity: person(e) }));
    map[attribute] = plainValue(attribute, value);
  }
  return [...maps.values()];
}

/** As plain JSON: the schema says the rest (refs and instants are plain strings). */
function plainValue(attribute: string, value: string | number | boolean): unknown {
  if (attribute === 'boss' || attribute === 'friend') return person(value as number);
  if (attribute === 'born') return new Date(value as number).toISOString();
  return value;
}
