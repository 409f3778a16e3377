/** What holds of transactions of several partitions besides their order by tx: lists, unique values, and an end of waiting. */
import { partitionOfTx, type StoredFact, tx as asTx } from '@pyralog/model';
import {
  type Finding,
  type LoggedInput,
  type LoggedRecord,
  outcomesOf,
  type Sample,
  textOfValue,
  type Transaction,
} from './history.ts';
import { listAppend, type ListOperation } from './reads.ts';
import { isWorkloadDocument } from './serial.ts';

/** Entities whose attribute of this name only ever grows are lists. */
const LIST = 'items';

/**
 * Documents that append to lists, on what they read of others, have an order that fits the versions of each list, as its
 * partition has them, what each document read, and for documents of one partition which was answered before which came.
 */
export function listOrder(
  records: readonly LoggedRecord[],
  inputs: readonly LoggedInput[],
  transactions: readonly Transaction[],
): readonly Finding[] {
  const order = new Map<string, string[]>();
  const appends = new Map<bigint, { readonly list: string; readonly element: string }[]>();
  const all = transactions.flatMap(({ tx, parts }) =>
    parts.flatMap(({ place, facts }) => facts.map((fact) => ({ tx, place, fact }))),
  );
  for (const { tx, fact } of all.toSorted((a, b) => a.place - b.place)) {
    if (fact.attribute !== LIST) continue;
    const { entity: list } = fact;
    const element = textOfValue(fact.value);
    order.set(list, [...(order.get(list) ?? []), element]);
    appends.set(tx, [...(appends.get(tx) ?? []), { list, element }]);
  }
  const given = new Map(inputs.map((input) => [`${input.partition}/${input.offset}`, input]));
  const operations: ListOperation[] = [];
  for (const { partition, landedMicros, counts, outcomes } of records) {
    if (!counts) continue;
    for (const { input, result } of outcomes) {
      if (result.kind !== 'commit') continue;
      const from = given.get(`${partition}/${input}`);
      const reads = readsOf(from?.document, order);
      const writes = appends.get(result.tx) ?? [];
      if (reads.length === 0 && writes.length === 0) continue;
      const [op, start] = [`${result.tx}`, from?.landedMicros ?? 0];
      const scope = `${partition}`;
      operations.push({ op, scope, start, end: landedMicros, appends: writes, reads });
    }
  }
  const reads = Array.from(order, ([list, elements]) => ({ list, elements }));
  const end = { start: Number.POSITIVE_INFINITY, end: Number.POSITIVE_INFINITY };
  return listAppend([...operations, { op: 'the end', scope: 'all', ...end, appends: [], reads }]);
}

/** What the conditions of a document say of lists: a set, in the order that the list has in the end. */
function readsOf(
  document: unknown,
  order: ReadonlyMap<string, readonly string[]>,
): ListOperation['reads'] {
  if (!isWorkloadDocument(document)) return [];
  return (document.if ?? []).flatMap((condition) => {
    if (!('is' in condition) || condition.attribute !== LIST) return [];
    const list = condition.entity;
    const { is } = condition;
    const known = new Set((Array.isArray(is) ? is : is === null ? [] : [is]).map(String));
    const there = (order.get(list) ?? []).filter((element) => known.has(element));
    const unknown = [...known].filter((element) => !there.includes(element));
    return [{ list, elements: [...there, ...unknown] }];
  });
}

/** At every basis a value of an attribute that is unique then has one holder. */
export function oneHolder(samples: readonly Sample[]): readonly Finding[] {
  return samples.flatMap(({ reader, basis, facts }): Finding[] => {
    const unique = uniqueAttributes(facts);
    const holders = new Map<string, string>();
    return facts.flatMap(({ entity, attribute, value }): Finding[] => {
      if (!unique.has(attribute)) return [];
      const what = `${attribute} ${textOfValue(value)}`;
      const other = holders.get(what);
      holders.set(what, entity);
      return other === undefined
        ? []
        : [
            {
              check: 'one holder',
              what: `${reader} as of ${basis}: ${other} and ${entity} have ${what}`,
            },
          ];
    });
  });
}

function uniqueAttributes(facts: readonly StoredFact[]): ReadonlySet<string> {
  return new Set(
    facts
      .filter(({ attribute }) => attribute === 'db/unique')
      .map(({ entity }) => entity.replace(/^attribute:/, '')),
  );
}

/** When all is quiet, whoever has a unique value has its claim, and nobody else does. */
export function claimsFit(
  records: readonly LoggedRecord[],
  transactions: readonly Transaction[],
): readonly Finding[] {
  const [held, claimed] = [new Map<string, StoredFact>(), new Map<string, string>()];
  for (const { parts } of transactions)
    for (const { facts } of parts) for (const fact of facts) keep(held, fact);
  for (const { counts, claims } of records)
    for (const { entity, value, operation } of counts ? claims : []) {
      if (operation === 'assert') claimed.set(entity, textOfValue(value));
      else if (claimed.get(entity) === textOfValue(value)) claimed.delete(entity);
    }
  const unique = uniqueAttributes([...held.values()]);
  const holders = [...held.values()].filter(
    ({ entity, attribute }) => unique.has(attribute) && !/^(tx|attribute):/.test(entity),
  );
  const wanted = holders.map(({ entity }) => entity).toSorted();
  const there = [...claimed.values()].toSorted();
  return wanted.join() === there.join()
    ? []
    : [
        {
          check: 'claims fit',
          what: `unique values are of ${wanted.join()}, and claimed for ${there.join()}`,
        },
      ];
}

function keep(held: Map<string, StoredFact>, fact: StoredFact): void {
  const key = `${fact.entity} ${fact.attribute} ${fact.value.type} ${textOfValue(fact.value)}`;
  if (fact.operation === 'assert') held.set(key, fact);
  else held.delete(key);
}

/** How long a document may wait for its outcome where nothing fails, in microseconds. */
const CALM_MICROS_MAX = 5_000_000;

/** Where nothing fails, nobody is told to come again, and nobody waits long. @param from when that began */
export function nobodyStarves(
  records: readonly LoggedRecord[],
  inputs: readonly LoggedInput[],
  { from, refusals }: { readonly from: number; readonly refusals: readonly string[] },
): readonly Finding[] {
  const check = 'nobody starves';
  const given = new Map(inputs.map((input) => [`${input.partition}/${input.offset}`, input]));
  return records.flatMap(({ partition, counts, landedMicros, outcomes }): Finding[] => {
    if (!counts) return [];
    return outcomes.flatMap(({ input, result }): Finding[] => {
      const at = `${partition}/${input}`;
      const came = given.get(at)?.landedMicros ?? 0;
      if (came < from) return [];
      if (result.kind === 'rejected' && refusals.includes(result.code))
        return [{ check, what: `input ${at} was refused as ${result.code}, and nothing failed` }];
      return landedMicros - came > CALM_MICROS_MAX
        ? [{ check, what: `input ${at} waited ${(landedMicros - came) / 1_000} ms` }]
        : [];
    });
  });
}

/** Copies of a document that came before the first had its outcome. */
export function copiesInFlight(
  records: readonly LoggedRecord[],
  inputs: readonly LoggedInput[],
): number {
  const given = new Map(inputs.map((input) => [`${input.partition}/${input.offset}`, input]));
  const landed = new Map<bigint, number>();
  for (const { partition, counts, landedMicros, outcomes } of records)
    for (const { result } of counts ? outcomes : [])
      if (result.kind === 'commit' && partitionOfTx(asTx(result.tx)) === partition)
        landed.set(result.tx, landedMicros);
  return outcomesOf(records).filter(
    ({ partition, input, result }) =>
      result.kind === 'duplicate' &&
      (given.get(`${partition}/${input}`)?.landedMicros ?? 0) < (landed.get(result.tx) ?? 0),
  ).length;
}
