import type { CommitResult, Database } from '@pyralog/client';
import { compareUtf8 } from '@pyralog/base';
import { type Fact, identOfEntity, isPyralogError, printValue, txOfEntity } from '@pyralog/model';
import { expect } from 'vitest';
import { allPages, commit, fold } from '../database-support.ts';
import { Places, type Placement } from './place.ts';
import type { Document, Refused, Row, Writes } from './row.ts';

/** A database that a row is played on. */
export interface Stage extends AsyncDisposable {
  /** Another one after {@link reopen}. */
  readonly database: Database;
  /** Between the state and the document, where it can be opened again. */
  readonly reopen?: () => Promise<void>;
}

/** Commits a row's document on its state, and compares what became of it. */
export async function runRow(
  row: Row,
  stage: Stage,
  placement: Placement,
  partitions: number,
): Promise<void> {
  const places = new Places(placement, partitions);
  const before: CommitResult[] = [];
  for (const document of row.before ?? [])
    before.push(await commit(stage.database, documentOf(places.place(document), before)));
  for (const document of row.tried ?? [])
    await expect(
      commit(stage.database, documentOf(places.place(document), before)),
    ).rejects.toMatchObject({
      isPyralogError: true,
    });
  await stage.reopen?.();
  const { database } = stage;
  const placed = documentOf(places.place(row.document), before);
  const document = { ...placed, ops: [...places.door(), ...placed.ops] };
  const outcome = places.place(row.outcome);
  if ('code' in outcome) await expectRefused(database, document, outcome);
  else before.push(await expectWritten(database, document, outcome));
  // What was told is what is there, and of what was refused nothing is.
  const { tx } = await commit(database, { ops: [] });
  const state = await allPages(
    (page) => database.state({ index: 'eavt', ...page }, { asOf: tx }),
    1_000,
  );
  const told = fold(
    before.flatMap(({ facts }) => facts),
    tx,
  );
  expect(sorted(state.facts.map(lineOf)), 'the state').toEqual(sorted(told.map(lineOf)));
}

type Whole = { readonly ops: readonly unknown[] };

/** @param before whose txs may be named */
function documentOf(document: Document, before: readonly CommitResult[]): Whole {
  const whole = 'ops' in document ? document : { ops: document };
  const text = JSON.stringify(whole).replaceAll(/"@(\d)"/g, (_, n: string) =>
    JSON.stringify(String(before[Number(n)]?.tx)),
  );
  return JSON.parse(text) as Whole;
}

async function expectRefused(
  database: Database,
  document: Whole,
  { code, extra = {}, says = [] }: Refused,
): Promise<void> {
  const error = await commit(database, document).then(
    ({ facts }) => expect.unreachable(`committed: ${facts.map(lineOf).join(', ')}`),
    (thrown: unknown) => thrown,
  );
  if (!isPyralogError(error)) throw error;
  expect({ code: error.code, detail: error.message, extra: error.extra }).toEqual({
    code,
    detail: expect.stringMatching(/\S{3}/),
    extra: expect.objectContaining(extra),
  });
  for (const part of says) expect(error.message).toContain(part);
}

async function expectWritten(
  database: Database,
  document: Whole,
  { facts, ids = {}, schema = {} }: Writes,
): Promise<CommitResult> {
  const result = await commit(database, document);
  const names = new Map<string, string>();
  for (const [id, entity] of result.ids) {
    const expected = ids[id] ?? 'new';
    if (expected === 'new') names.set(entity, names.get(entity) ?? id);
    else expect(entity, id).toBe(expected);
  }
  expect([...result.ids.keys()]).toEqual(expect.arrayContaining(Object.keys(ids)));
  const lines = result.facts.filter(isOfInterest).map((fact) => named(fact, names));
  expect(sorted(lines)).toEqual(sorted(facts));
  expect(result.facts.every(({ tx }) => tx === result.tx)).toBe(true);
  const { attributes } = await database.schema({ asOf: result.tx });
  for (const [ident, definition] of Object.entries(schema)) {
    const found = attributes.find((each) => each.ident === ident);
    if (definition === undefined) expect(found, ident).toBeUndefined();
    else expect(found, ident).toMatchObject(definition);
  }
  return result;
}

/** Of the schema rows have their own say; of transactions over partitions the rest is for the database itself. */
function isOfInterest({ entity, attribute }: Fact): boolean {
  return (
    identOfEntity(entity) === undefined && attribute !== 'tx/start' && attribute !== 'tx/keyHash'
  );
}

function named(fact: Fact, names: ReadonlyMap<string, string>): string {
  const { value, entity } = fact;
  const nameOf = (id: string): string =>
    names.get(id) ?? (txOfEntity(id) === undefined ? id : 'tx');
  const shown = value.type === 'ref' ? { ...value, value: nameOf(value.value) } : value;
  return lineOf({ ...fact, entity: nameOf(entity), value: shown });
}

function lineOf({ entity, attribute, value, operation }: Fact): string {
  return `${operation === 'assert' ? '+' : '-'}${entity} ${attribute} ${printValue(value)}`;
}

function sorted(lines: readonly string[]): readonly string[] {
  return lines.toSorted(compareUtf8);
}
