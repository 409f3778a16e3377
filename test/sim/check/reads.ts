/** What holds of what readers were told, whatever partitions it lies on (protocol section 5, "Checks"). */
import type { StoredFact } from '@pyralog/model';
import type { ObjectChange } from '@pyralog/sim';
import { type Finding, type Sample, subjectOf, textOfValue, type Transaction } from './history.ts';

/** I5: facts in force at a basis, sampled while the run went on, are what the whole log says of that basis. */
export function samplesEqualFold(
  samples: readonly Sample[],
  transactions: readonly Transaction[],
): readonly Finding[] {
  const findings: Finding[] = [];
  const groups = groupBy(samples, ({ partitions }) => partitions.join());
  for (const group of groups.values()) {
    const partitions = group[0]?.partitions ?? [];
    const inForce = new Map<string, bigint>();
    let next = 0;
    for (const sample of group.toSorted((a, b) => (a.basis < b.basis ? -1 : 1))) {
      for (; next < transactions.length; next++) {
        const transaction = transactions[next];
        if (transaction === undefined || transaction.tx > sample.basis) break;
        for (const { partition, facts } of transaction.parts)
          if (partitions.includes(partition)) fold(inForce, facts);
      }
      findings.push(...compare(sample, inForce));
    }
  }
  return findings;
}

function fold(inForce: Map<string, bigint>, facts: readonly StoredFact[]): void {
  for (const fact of facts) {
    if (fact.operation === 'assert') inForce.set(subjectOf(fact), fact.tx);
    else inForce.delete(subjectOf(fact));
  }
}

function compare(sample: Sample, inForce: ReadonlyMap<string, bigint>): readonly Finding[] {
  const { reader, basis, facts } = sample;
  const told = new Map(facts.map((fact) => [subjectOf(fact), fact.tx as bigint]));
  const wrong = [
    ...[...inForce].filter(([subject, tx]) => told.get(subject) !== tx).map(([s]) => `lacks ${s}`),
    ...[...told].filter(([subject, tx]) => inForce.get(subject) !== tx).map(([s]) => `has ${s}`),
  ];
  return wrong.length === 0
    ? []
    : [
        {
          check: 'samples equal the fold',
          what: `${reader} as of ${basis} ${wrong.slice(0, 3).join(', ')} (${wrong.length} in all)`,
        },
      ];
}

/**
 * I2: at every basis a transaction is there whole or not at all, on all the partitions of a sample together.
 * A fact that a later transaction, still at or below the basis, took back need not be there.
 */
export function atomicVisibility(
  samples: readonly Sample[],
  transactions: readonly Transaction[],
): readonly Finding[] {
  return samples.flatMap(({ reader, basis, partitions, facts }): Finding[] => {
    const seen = new Map(facts.map((fact) => [subjectOf(fact), fact.tx as bigint]));
    const replaced = new Set<string>();
    const findings: Finding[] = [];
    // Newest first: what a transaction wrote is looked for unless a newer one has touched it.
    for (const { tx, op, parts } of transactions.toReversed()) {
      const there = new Map<number, boolean>();
      for (const { partition, facts: written } of parts) {
        if (!partitions.includes(partition)) continue;
        for (const fact of written) {
          const subject = subjectOf(fact);
          if (fact.operation === 'assert' && !replaced.has(subject))
            there.set(partition, (there.get(partition) ?? true) && seen.get(subject) === tx);
        }
        if (tx <= basis) for (const fact of written) replaced.add(subjectOf(fact));
      }
      const [some, all] = [
        [...there.values()].includes(true),
        ![...there.values()].includes(false),
      ];
      if (there.size > 0 && (tx <= basis ? !all : some))
        findings.push({
          check: 'atomic visibility',
          what: `${reader} as of ${basis} sees ${some ? 'a part' : 'nothing'} of ${op ?? tx} (${tx})`,
        });
    }
    return findings;
  });
}

/** The sum over accounts is the same at every basis, once they are opened. */
export function bankSum(
  samples: readonly Sample[],
  { attribute, total }: { readonly attribute: string; readonly total: bigint },
): readonly Finding[] {
  return samples.flatMap(({ reader, basis, facts }): Finding[] => {
    const balances = facts.filter((fact) => fact.attribute === attribute);
    const sum = balances.reduce(
      (all, { value }) => all + (value.type === 'int' ? value.value : 0n),
      0n,
    );
    return balances.length === 0 || sum === total
      ? []
      : [{ check: 'bank sum', what: `${reader} as of ${basis} counts ${sum} of ${total}` }];
  });
}

/** Reads and appends of lists, of one transaction each. */
export interface ListOperation {
  readonly op: string;
  /** Real time orders those of one scope. */
  readonly scope: string;
  /** In order of real time: one that ends before another of its scope starts comes before it. */
  readonly start: number;
  readonly end: number;
  readonly appends: readonly { readonly list: string; readonly element: string }[];
  readonly reads: readonly { readonly list: string; readonly elements: readonly string[] }[];
}

/**
 * Strict serializability of transactions that append to lists and read them (after Elle, Kingsbury and Alvaro
 * 2020): elements are unique, so the longest read of a list tells the order of its appends; every other read
 * is a prefix of it; and what each read saw, what it did not see yet and real time have no cycle.
 */
export function listAppend(operations: readonly ListOperation[]): readonly Finding[] {
  const check = 'list append';
  const findings: Finding[] = [];
  const writer = new Map<string, string>();
  for (const { op, appends } of operations)
    for (const { list, element } of appends) {
      const at = `${list} ${element}`;
      if (writer.has(at)) findings.push({ check, what: `${at} is appended twice` });
      writer.set(at, op);
    }
  const longest = new Map<string, readonly string[]>();
  for (const { reads } of operations)
    for (const { list, elements } of reads)
      if (elements.length > (longest.get(list)?.length ?? 0)) longest.set(list, elements);
  const before = new Map<string, Set<string>>(operations.map(({ op }) => [op, new Set()]));
  const edge = (from: string | undefined, to: string | undefined): void => {
    if (from !== undefined && to !== undefined && from !== to) before.get(from)?.add(to);
  };
  for (const { op, reads } of operations)
    for (const { list, elements } of reads) {
      const order = longest.get(list) ?? [];
      if (elements.some((element, i) => order[i] !== element)) {
        findings.push({
          check,
          what: `${op} read ${list} as ${elements.join()}, not a prefix of ${order.join()}`,
        });
        continue;
      }
      for (const element of elements)
        if (!writer.has(`${list} ${element}`))
          findings.push({ check, what: `${op} read ${element} of ${list}, which nobody appended` });
      edge(writer.get(`${list} ${elements.at(-1)}`), op);
      edge(op, writer.get(`${list} ${order[elements.length]}`));
    }
  for (const [list, order] of longest)
    for (const [i, element] of order.entries())
      edge(writer.get(`${list} ${order[i - 1]}`), writer.get(`${list} ${element}`));
  for (const one of operations)
    for (const other of operations)
      if (one.scope === other.scope && one.end < other.start) edge(one.op, other.op);
  const cycle = cycleOf(before);
  if (cycle !== undefined) findings.push({ check, what: `no order fits ${cycle.join(' → ')}` });
  return findings;
}

/** A cycle of a graph, where there is one. */
function cycleOf(graph: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] | undefined {
  const state = new Map<string, 'open' | 'done'>();
  const path: string[] = [];
  const visit = (node: string): readonly string[] | undefined => {
    if (state.get(node) === 'done') return undefined;
    if (state.get(node) === 'open') return [...path.slice(path.indexOf(node)), node];
    state.set(node, 'open');
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const found = visit(next);
      if (found !== undefined) return found;
    }
    path.pop();
    state.set(node, 'done');
    return undefined;
  };
  for (const node of graph.keys()) {
    const found = visit(node);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Order of a list that is a set of facts: elements by the tx that asserted them. */
export function elementsOf(
  facts: readonly StoredFact[],
  entity: string,
  attribute: string,
): readonly string[] {
  return facts
    .filter((fact) => fact.entity === entity && fact.attribute === attribute)
    .toSorted((a, b) => (a.tx < b.tx ? -1 : 1))
    .map(({ value }) => textOfValue(value));
}

/** I7: the bytes of an object never change after its first put, and nothing is put again after a delete otherwise. */
export function objectsNeverChange(changes: readonly ObjectChange[]): readonly Finding[] {
  const first = new Map<string, string>();
  return changes.flatMap(({ key, process, hash }): Finding[] => {
    if (hash === undefined) return [];
    const before = first.get(key);
    if (before === undefined) first.set(key, hash);
    return before === undefined || before === hash
      ? []
      : [{ check: 'objects never change', what: `${process} put ${key} with other content` }];
  });
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
