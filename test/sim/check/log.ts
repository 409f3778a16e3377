/** What holds of the commit logs alone (protocol section 5, "Checks"). */
import { partitionOfTx, tx as asTx } from '@pyralog/model';
import {
  type Acknowledgement,
  type Belief,
  type Finding,
  type LoggedInput,
  type LoggedRecord,
  outcomesOf,
  subjectOf,
  textOf,
  type Transaction,
} from './history.ts';
import { MINTED } from './serial.ts';

/** I9: every input has exactly one outcome; at most one where it is not known what the inputs were. */
export function oneOutcome(
  records: readonly LoggedRecord[],
  inputs: readonly LoggedInput[] | undefined,
): readonly Finding[] {
  const check = 'one outcome';
  const findings: Finding[] = [];
  const counts = new Map<string, number>();
  for (const { partition, input } of outcomesOf(records)) {
    const at = `${partition}/${input}`;
    counts.set(at, (counts.get(at) ?? 0) + 1);
  }
  for (const [at, count] of counts)
    if (count > 1) findings.push({ check, what: `input ${at} has ${count} outcomes` });
  if (inputs === undefined) return findings;
  const given = new Set(inputs.map(({ partition, offset }) => `${partition}/${offset}`));
  for (const at of given)
    if (!counts.has(at)) findings.push({ check, what: `input ${at} has no outcome` });
  for (const at of counts.keys())
    if (!given.has(at))
      findings.push({ check, what: `there is no input ${at}, and it has an outcome` });
  return findings;
}

/** I1: what a writer was told is in a record that counts, as it was told, and in none twice. */
export function acknowledgedIsThere(
  acknowledgements: readonly Acknowledgement[],
  transactions: readonly Transaction[],
): readonly Finding[] {
  const check = 'acknowledged is there';
  const byTx = new Map(transactions.map((each) => [each.tx, each]));
  return acknowledgements.flatMap(({ op, tx, facts }): Finding[] => {
    const there = byTx.get(tx);
    if (there === undefined)
      return [{ check, what: `${op} was acknowledged as ${tx}, and is lost` }];
    if (there.op !== op)
      return [{ check, what: `${op} was acknowledged as ${tx}, which is ${there.op}` }];
    if (facts === undefined) return [];
    const written = there.parts.flatMap((part) => part.facts.map(textOf)).toSorted();
    const told = facts.map(textOf).toSorted();
    return written.join('\n') === told.join('\n')
      ? []
      : [{ check, what: `${op} was acknowledged as ${tx} with other facts` }];
  });
}

/** I6: what a process took for durable and counting counts. */
export function believedCounts(
  beliefs: readonly Belief[],
  records: readonly LoggedRecord[],
): readonly Finding[] {
  const key = ({ partition, owner, epoch, seq }: Omit<Belief, 'process'>): string =>
    `${partition} ${owner} ${epoch} ${seq}`;
  const counting = new Set(records.filter(({ counts }) => counts).map(key));
  return beliefs
    .filter((belief) => !counting.has(key(belief)))
    .map(({ process, partition, epoch, seq }) => ({
      check: 'believed counts',
      what: `${process} took record ${seq} of epoch ${epoch} of partition ${partition} for one that counts`,
    }));
}

/** I8: a key is committed once, and every duplicate names that commit. */
export function keyOnce(
  records: readonly LoggedRecord[],
  transactions: readonly Transaction[],
): readonly Finding[] {
  const check = 'key once';
  const findings: Finding[] = [];
  const first = new Map<string, bigint>();
  const keyed = new Set<bigint>();
  for (const { key, tx } of transactions) {
    if (key === undefined) continue;
    keyed.add(tx);
    const before = first.get(key);
    if (before !== undefined)
      findings.push({ check, what: `${key} is committed as ${before} and ${tx}` });
    else first.set(key, tx);
  }
  for (const { partition, input, result } of outcomesOf(records))
    if (result.kind === 'duplicate' && !keyed.has(result.tx))
      findings.push({
        check,
        what: `input ${partition}/${input} is a duplicate of ${result.tx}, which has no key`,
      });
  return findings;
}

/**
 * I3, I4: a tx is given once, rises in the log of the partition that gave it, and lies above everything that
 * the log it stands in had promised.
 */
export function txRises(records: readonly LoggedRecord[]): readonly Finding[] {
  const check = 'tx rises';
  const findings: Finding[] = [];
  const given = new Map<string, string>();
  const state = new Map<number, { closed: bigint; last: bigint }>();
  for (const { partition, offset, counts, closed, outcomes, parts } of records) {
    if (!counts) continue;
    const at = state.get(partition) ?? { closed: 0n, last: 0n };
    state.set(partition, at);
    const where = `record ${offset} of partition ${partition}`;
    for (const { tx } of parts) {
      if (tx <= at.closed)
        findings.push({
          check,
          what: `${where} commits a part of ${tx}, and ${at.closed} was closed`,
        });
    }
    for (const { input, result } of outcomes) {
      if (result.kind !== 'commit') continue;
      const { tx } = result;
      if (tx <= at.closed)
        findings.push({ check, what: `${where} commits ${tx}, and ${at.closed} was closed` });
      const seat = `${partition} ${tx}`;
      const other = given.get(seat);
      if (other !== undefined)
        findings.push({ check, what: `${tx} is input ${other} and ${input}` });
      given.set(seat, `${input}`);
      if (partitionOfTx(asTx(tx)) !== partition) continue;
      if (tx <= at.last) findings.push({ check, what: `${where} commits ${tx} behind ${at.last}` });
      at.last = tx;
    }
    if (closed > at.closed) at.closed = closed;
  }
  return findings;
}

/** Asserts of what is not in force and retracts of what is, in the order of the log and in that of tx. */
export function retractChain(transactions: readonly Transaction[]): readonly Finding[] {
  const findings: Finding[] = [];
  const walk = (
    order: string,
    steps: readonly {
      readonly tx: bigint;
      readonly facts: Transaction['parts'][number]['facts'];
    }[],
  ): void => {
    const inForce = new Set<string>();
    for (const { tx, facts } of steps) {
      for (const fact of facts) {
        const subject = subjectOf(fact);
        const right = fact.operation === 'assert' ? !inForce.has(subject) : inForce.has(subject);
        if (!right)
          findings.push({
            check: 'retract chain',
            what: `${tx} ${fact.operation}s ${subject}, which ${inForce.has(subject) ? 'is' : 'is not'} in force, in the order of ${order}`,
          });
        if (fact.operation === 'assert') inForce.add(subject);
        else inForce.delete(subject);
      }
    }
  };
  walk(
    'tx',
    transactions.map(({ tx, parts }) => ({ tx, facts: parts.flatMap(({ facts }) => facts) })),
  );
  walk(
    'the log',
    transactions
      .flatMap(({ tx, parts }) => parts.map(({ place, facts }) => ({ tx, place, facts })))
      .toSorted((a, b) => a.place - b.place),
  );
  return findings;
}

/**
 * Of two documents of one partition that write the same entity the one that came first is the first. Where other
 * partitions are asked meanwhile, that holds of the attributes of an entity, each for itself, where the document names it.
 */
export function inputOrder(records: readonly LoggedRecord[]): readonly Finding[] {
  const last = new Map<string, number>();
  const findings: Finding[] = [];
  const isAlone = new Set(records.map(({ partition }) => partition)).size === 1;
  for (const { partition, input, result } of outcomesOf(records)) {
    if (result.kind !== 'commit') continue;
    const written = result.facts.filter(
      ({ entity }) => !/^(tx|attribute):/.test(entity) && !entity.startsWith(MINTED),
    );
    const things = written.map(({ entity, attribute }) =>
      isAlone ? entity : `${entity} ${attribute}`,
    );
    for (const entity of new Set(things)) {
      const key = `${partition} ${entity}`;
      const before = last.get(key) ?? -1;
      if (input < before)
        findings.push({
          check: 'input order',
          what: `input ${partition}/${input} writes ${entity} behind input ${before}`,
        });
      last.set(key, Math.max(before, input));
    }
  }
  return findings;
}
