import {
  decodeCommitRecord,
  decodeCoordination,
  isInForce,
  isOutcome,
  type Item,
  type ItemsRecord,
  type Mark,
} from '@pyralog/format';
import type { StoredRecord } from '@pyralog/log';
import {
  formatValue,
  isClaimEntity,
  isReference,
  isVisible,
  partitionNo,
  partitionOfTx,
  type StoredFact,
  type StoredValue,
  tx as asTx,
} from '@pyralog/model';
import type { ObjectChange } from '@pyralog/sim';

/** What a check holds against a history. */
export interface Finding {
  /** Name of the check. */
  readonly check: string;
  readonly what: string;
}

/** What became of one input, in a record of a commit log. */
export interface LoggedOutcome {
  /** Its place among the items of the record. */
  readonly item?: number | undefined;
  /** Offset of the input in the input of its partition. */
  readonly input: number;
  readonly result:
    | { readonly kind: 'commit'; readonly tx: bigint; readonly facts: readonly StoredFact[] }
    | { readonly kind: 'rejected'; readonly code: string }
    | { readonly kind: 'duplicate'; readonly tx: bigint };
}

/** A record of a commit log, whether it counts or not. */
export interface LoggedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly owner: string;
  readonly epoch: number;
  /** 0: EPOCH. */
  readonly seq: number;
  /** Whether it is the next of the owner that has the partition (protocol 1.1.1). */
  readonly counts: boolean;
  readonly closed: bigint;
  /** Least offset of an input without outcome and without begin. */
  readonly lowWater: number;
  /** Next offset of the messages to read, and how far those of each coordinator were taken. */
  readonly coordination: number;
  readonly marks: readonly Mark[];
  /** When it was in the log, in microseconds of virtual time. */
  readonly landedMicros: number;
  readonly outcomes: readonly LoggedOutcome[];
  /** What other partitions decided of parts that this one had promised. */
  readonly parts: readonly LoggedPart[];
  /** All that it says. */
  readonly items: readonly Item[];
  /** Facts of claims of unique values, which no answer has. */
  readonly claims: readonly StoredFact[];
}

/** What a transaction that another partition coordinates wrote on this one. */
interface LoggedPart {
  /** Its place among the items of the record; outcomes have theirs. */
  readonly item?: number | undefined;
  readonly tx: bigint;
  readonly facts: readonly StoredFact[];
}

/** What a coordinator has said to a partition. */
export interface LoggedMessage {
  readonly partition: number;
  readonly offset: number;
  readonly kind: 'prepare' | 'decision';
  readonly coordinator: number;
  /** Epoch and counter of the coordinator. */
  readonly mark: readonly [number, number];
  /** Of the transaction. */
  readonly name: string;
  readonly part: string;
  readonly attempt: number;
}

/** What was given to a partition. */
export interface LoggedInput {
  readonly partition: number;
  readonly offset: number;
  /** Parsed JSON of the document; undefined where it is none. */
  readonly document: unknown;
  /** When it was there, in microseconds of virtual time. */
  readonly landedMicros: number;
}

/** What a transaction wrote on one partition. */
interface Part {
  readonly partition: number;
  /** Its place in the log of the partition: of two parts the one with the greater comes later. */
  readonly place: number;
  readonly facts: readonly StoredFact[];
}

/** A transaction with all its parts. */
export interface Transaction {
  readonly tx: bigint;
  /** What the writer called it: `tx/reason` of its meta. */
  readonly op: string | undefined;
  /** Its idempotency key. */
  readonly key: string | undefined;
  /** One for each partition that it wrote on, the coordinating one first. */
  readonly parts: readonly Part[];
}

/** Facts that somebody read: all that are in force at a basis, on some partitions. */
export interface Sample {
  readonly reader: string;
  readonly basis: bigint;
  readonly partitions: readonly number[];
  readonly facts: readonly StoredFact[];
}

/** A writer was told that its transaction is committed. */
export interface Acknowledgement {
  readonly op: string;
  readonly tx: bigint;
  /** What it was told of the facts; undefined: only that they are there. */
  readonly facts: readonly StoredFact[] | undefined;
}

/** A process took a record of a partition for one that counts, and for durable. */
export interface Belief {
  readonly process: string;
  readonly partition: number;
  readonly owner: string;
  readonly epoch: number;
  readonly seq: number;
}

/** All that happened in a run to one database, as far as checks ask. */
export interface History {
  readonly partitions: number;
  /** By partition and offset. */
  readonly records: readonly LoggedRecord[];
  /** Documents by the place of their input. */
  readonly inputs: readonly LoggedInput[];
  /** By partition and offset. */
  readonly messages: readonly LoggedMessage[];
  /** Whether these are all there were: the inputs of a topic, and not those of the queue of a process. */
  readonly hasAllInputs: boolean;
  /** Codes with which a document may have been rejected for no reason of its own. */
  readonly refusals: readonly string[];
  readonly samples: readonly Sample[];
  readonly acknowledgements: readonly Acknowledgement[];
  readonly beliefs: readonly Belief[];
  readonly objects: readonly ObjectChange[];
}

/**
 * Reads the commit log of a partition as it grows. Admission is written here anew, by protocol 1.1.1, and is
 * not the product's: what judges must not share its mistakes.
 */
export class CommitLog {
  readonly records: LoggedRecord[] = [];
  readonly #partition: number;
  #at = { epoch: 0, owner: '', seq: 0 };

  constructor(partition: number) {
    this.#partition = partition;
  }

  /** Takes what has come behind the records that it has. @param landed when each of them came */
  take(stored: readonly StoredRecord[], landed: readonly number[]): void {
    for (let i = this.records.length; i < stored.length; i++) {
      const record = stored[i];
      if (record !== undefined) this.records.push(this.#read(record, landed[i] ?? 0));
    }
  }

  #read({ offset, value }: StoredRecord, landedMicros: number): LoggedRecord {
    const record = decodeCommitRecord(value ?? new Uint8Array(0), `record ${offset}`);
    const partition = this.#partition;
    const at = this.#at;
    const { epoch, owner } = record;
    if (record.kind === 'epoch') {
      const counts = epoch > at.epoch;
      if (counts) this.#at = { epoch, owner, seq: 0 };
      const nothing = { outcomes: [], parts: [], items: [], claims: [] };
      const header = { closed: 0n, lowWater: 0, coordination: 0, marks: [] };
      return {
        partition,
        offset,
        owner,
        epoch,
        seq: 0,
        counts,
        landedMicros,
        ...header,
        ...nothing,
      };
    }
    const { seq, closed, lowWater, coordination, marks, items } = record;
    const counts = epoch === at.epoch && owner === at.owner && seq === at.seq + 1;
    if (counts) this.#at = { epoch, owner, seq };
    const outcomes = outcomesIn(record, partition);
    const parts = partsIn(record, partition);
    const claims = claimsIn(record);
    const what = { items, outcomes, parts, claims };
    const header = { owner, epoch, seq, closed, lowWater, coordination, marks };
    return { partition, offset, landedMicros, counts, ...header, ...what };
  }
}

/** Messages of coordinators among those of a topic. */
export function messagesIn(
  stored: readonly StoredRecord[],
  partition: number,
): readonly LoggedMessage[] {
  return stored.flatMap(({ offset, value }): LoggedMessage[] => {
    const message = decodeCoordination(value ?? new Uint8Array(0));
    if (message.kind !== 'prepare' && message.kind !== 'decision') return [];
    const { kind, id, part, attempt, mark } = message;
    const { coordinator } = id;
    const name = `${coordinator}.${id.offset}`;
    const said = { kind, coordinator, name, part, attempt };
    return [{ partition, offset, mark: [mark.epoch, mark.counter], ...said }];
  });
}

function outcomesIn({ items, facts }: ItemsRecord, partition: number): readonly LoggedOutcome[] {
  return items.flatMap((each, item): LoggedOutcome[] => {
    if (!isOutcome(each)) return [];
    const input = each.offset;
    switch (each.kind) {
      case 'rejected':
      case 'refused':
        return [{ item, input, result: { kind: 'rejected', code: each.rejection.code } }];
      case 'duplicate':
        return [{ item, input, result: { kind: 'duplicate', tx: each.tx } }];
      case 'commit':
      case 'decided': {
        const written = factsIn(facts, each, partition);
        return [{ item, input, result: { kind: 'commit', tx: each.tx, facts: written } }];
      }
    }
  });
}

function partsIn({ items, facts }: ItemsRecord, partition: number): readonly LoggedPart[] {
  return items.flatMap((each, item) =>
    each.kind === 'committed'
      ? [{ item, tx: each.tx, facts: factsIn(facts, each, partition) }]
      : [],
  );
}

function claimsIn({ items, facts }: ItemsRecord): readonly StoredFact[] {
  return items.flatMap((each) => {
    if (!isInForce(each)) return [];
    const written: StoredFact[] = [];
    for (let row = each.from; row < each.to; row++) written.push(facts.factAt(row));
    return written.filter(({ entity }) => isClaimEntity(entity));
  });
}

/** What answers have of rows. */
function factsIn(
  facts: ItemsRecord['facts'],
  { from, to }: { readonly from: number; readonly to: number },
  partition: number,
): readonly StoredFact[] {
  const written: StoredFact[] = [];
  for (let row = from; row < to; row++) written.push(facts.factAt(row));
  return written.filter(({ entity }) => isVisible(entity, partitionNo(partition)));
}

/** An outcome that counts, at its place. */
export interface PlacedOutcome extends LoggedOutcome {
  readonly partition: number;
  readonly place: number;
}

/** Outcomes that count, in the order of the logs, partition by partition. */
export function outcomesOf(records: readonly LoggedRecord[]): readonly PlacedOutcome[] {
  let place = 0;
  return records
    .filter(({ counts }) => counts)
    .flatMap(({ partition, outcomes }) =>
      outcomes.map((outcome) => ({ ...outcome, partition, place: place++ })),
    );
}

/** Transactions that count, by tx. Parts on several partitions are one transaction by their tx. */
export function transactionsOf(records: readonly LoggedRecord[]): readonly Transaction[] {
  const parts = new Map<bigint, Part[]>();
  for (const { partition, place, tx, facts } of writtenIn(records)) {
    const known = parts.get(tx);
    const part = { partition, place, facts };
    if (known === undefined) parts.set(tx, [part]);
    else if (partition === partitionOfTx(asTx(tx))) known.unshift(part);
    else known.push(part);
  }
  return [...parts]
    .map(([tx, its]): Transaction => ({
      tx,
      op: metaOf(its, 'tx/reason'),
      key: metaOf(its, 'tx/key'),
      parts: its,
    }))
    .toSorted(byTx);
}

/** What records that count brought into force, in the order of the logs, partition by partition. */
function* writtenIn(
  records: readonly LoggedRecord[],
): Generator<LoggedPart & { readonly partition: number; readonly place: number }> {
  let place = 0;
  for (const { partition, counts, outcomes, parts } of records) {
    if (!counts) continue;
    const own = outcomes.flatMap(({ item, result }): LoggedPart[] =>
      result.kind === 'commit' ? [{ item, tx: result.tx, facts: result.facts }] : [],
    );
    const all = [...own, ...parts].sort((a, b) => (a.item ?? 0) - (b.item ?? 0));
    for (const { tx, facts } of all) yield { partition, place: place++, tx, facts };
  }
}

function metaOf(parts: readonly Part[], attribute: string): string | undefined {
  for (const { facts } of parts)
    for (const fact of facts)
      if (fact.attribute === attribute && fact.entity.startsWith('tx:'))
        return textOfValue(fact.value);
  return undefined;
}

/** Order by tx. */
export function byTx(a: { readonly tx: bigint }, b: { readonly tx: bigint }): number {
  return a.tx < b.tx ? -1 : a.tx > b.tx ? 1 : 0;
}

/** A value as text; that of a long one is its SHA-256. */
export function textOfValue(value: StoredValue): string {
  return isReference(value) ? value.sha256 : formatValue(value);
}

/** Entity, attribute and value of a fact, as one text. */
export function subjectOf({ entity, attribute, value }: StoredFact): string {
  return `${entity} ${attribute} ${value.type} ${textOfValue(value)}`;
}

/** A fact as one text. */
export function textOf(fact: StoredFact): string {
  return `${fact.operation === 'assert' ? '+' : '-'}${subjectOf(fact)} @${fact.tx}`;
}
