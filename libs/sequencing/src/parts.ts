import type { TransactionPart } from '@pyralog/format';
import {
  intValue,
  isClaimEntity,
  partitionOf,
  type PartitionNo,
  type PyralogError,
  type Schema,
  type StoredFact,
  TX_START,
  type Tx,
  txEntity,
} from '@pyralog/model';
import type { Attempt } from './attempts.ts';
import { claimOf } from './claims.ts';
import { holderNamed, uniqueConflict } from './plan.ts';
import { stillHeld } from './refusals.ts';
import { inCanonicalOrder } from './resolve.ts';
import type { Need } from './resolve-work.ts';
import { stamped } from './stamped.ts';
import type { Begun } from './transaction-table.ts';
import { decodeWork, encodeWork, type PartWork } from './work.ts';

/** The parts of other partitions, and of those whose unique values are given up here. */
export function partsOf(
  others: ReadonlyMap<PartitionNo, PartWork>,
  needs: readonly Need[],
): TransactionPart[] {
  const parts = Array.from(others, ([partition, work]) => ({
    partition,
    name: '',
    content: encodeWork(work),
  }));
  const more = needs.map(({ home, release }) => ({
    partition: home,
    name: release.claim,
    content: encodeWork({ releases: [release] }),
  }));
  const taken = new Set(
    Array.from(others.values()).flatMap(({ takes }) => takes.map(({ claim }) => claim)),
  );
  return [...parts, ...more.filter(({ name }) => !taken.has(name))];
}

/** Whether a part that a vote has discovered is settled by what the transaction does already. @param partition of the coordinator */
export function isSettled(begun: Begun, part: TransactionPart, partition: PartitionNo): boolean {
  return (
    takesAny(begun.parts.values(), part) ||
    (part.partition === partition && writes(begun, part.name))
  );
}

/** Facts of a transaction with what new ids are made of, so that they can be told again. */
export function withStart(facts: readonly StoredFact[], start: Tx): readonly StoredFact[] {
  const entity = txEntity(start);
  const value = intValue(start);
  const said: StoredFact = { entity, attribute: TX_START, value, tx: start, operation: 'assert' };
  return inCanonicalOrder([...facts, said]);
}

/**
 * Why a value that is taken from an entity that lies elsewhere stays with it: nothing here or there gives it up.
 * @param takes of the coordinator's own part
 */
export function notGivenUp(
  begun: Begun,
  { votes, takes }: Pick<Attempt, 'votes' | 'takes'>,
  {
    partition,
    partitions,
    schema,
  }: { readonly partition: PartitionNo; readonly partitions: number; readonly schema: Schema },
): PyralogError | undefined {
  const given = new Set<string>();
  for (const { needs } of votes.values())
    for (const { claim, entity } of needs) given.add(`${claim} ${entity}`);
  const own = stamped(begun.facts, begun.holder.start, begun.holder.start);
  for (const { attribute, value, entity, operation } of own) {
    if (operation === 'retract' && schema.attribute(attribute)?.unique !== undefined)
      given.add(`${claimOf(attribute, value).claim} ${entity}`);
  }
  const isKept = (claim: string, holder: string, home: PartitionNo): boolean =>
    partitionOf(holder, partitions) !== home && !given.has(`${claim} ${holder}`);
  for (const { entity, value, operation } of own) {
    if (operation !== 'retract' || !isClaimEntity(entity)) continue;
    if (own.every((fact) => fact.entity !== entity || fact.operation === 'retract')) continue;
    const holder = holderNamed(value);
    if (!isKept(entity, holder, partition)) continue;
    const taker = takes.find(({ claim }) => claim === entity);
    return taker === undefined ? stillHeld(holder) : uniqueConflict(taker, taker.entity, holder);
  }
  for (const { partition: home, content } of begun.parts.values()) {
    for (const take of decodeWork(content).takes)
      if (take.from !== undefined && isKept(take.claim, take.from, home))
        return uniqueConflict(take, take.entity, take.from);
  }
  return undefined;
}

/** Whether the value that a part would give up is taken by another: then that one settles it. */
function takesAny(parts: Iterable<TransactionPart>, { partition, name }: TransactionPart): boolean {
  for (const part of parts) {
    if (part.partition !== partition || part.name !== '') continue;
    if (decodeWork(part.content).takes.some(({ claim }) => claim === name)) return true;
  }
  return false;
}

/** Whether the coordinator's own part settles a claim. */
function writes({ facts, holder }: Begun, claim: string): boolean {
  return stamped(facts, holder.start, holder.start).some(({ entity }) => entity === claim);
}
