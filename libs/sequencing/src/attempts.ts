import { must } from '@pyralog/base';
import type { DoneMessage, TransactionPart, VoteMessage } from '@pyralog/format';
import type { LogOffset, PartitionNo, PyralogError, TransactionDocument, Tx } from '@pyralog/model';
import type { Release, Take } from './claims.ts';
import type { Desk } from './desk.ts';
import type { HintsSoFar } from './hints.ts';
import { type Begun, partText, type TransactionTable } from './transaction-table.ts';
import { decodeWork } from './work.ts';

/** What a coordinator knows of an attempt besides the log: lost with it, and found out again. */
export interface Attempt {
  readonly document: TransactionDocument;
  readonly hints: HintsSoFar;
  /** When the document came. */
  readonly since: bigint;
  /** Of the parts that are promised, by {@link partText}. */
  readonly votes: Map<string, { readonly tx: Tx; readonly needs: readonly Release[] }>;
  /** What parts were refused for, by {@link partText}. */
  readonly rejections: Map<string, PyralogError>;
  /** Parts that have done what was decided. */
  readonly dones: Set<string>;
  /** By temporary id. */
  readonly ids: ReadonlyMap<string, string>;
  /** Unique values at home here, for what a refusal says. */
  readonly takes: readonly Take[];
  /** It goes by who holds values elsewhere, which may be otherwise. */
  readonly isDoubtful: boolean;
  /** When participants were told something last. */
  sentAt: bigint;
  /** Of this attempt, when it began. */
  readonly begunAt: bigint;
}

/** An {@link Attempt} of which nothing was heard. */
export type NewAttempt = Pick<
  Attempt,
  'document' | 'hints' | 'since' | 'ids' | 'takes' | 'isDoubtful'
>;

/**
 * The attempts of transactions that this partition has begun: what their participants have said, and what they are asked
 * and told until they have. What the log says of them is the table's.
 */
export class Attempts {
  readonly #desk: Desk;
  readonly #table: TransactionTable;
  readonly #attempts = new Map<LogOffset, Attempt>();

  constructor(desk: Desk, table: TransactionTable) {
    this.#desk = desk;
    this.#table = table;
  }

  [Symbol.iterator](): Iterator<[LogOffset, Attempt]> {
    return this.#attempts[Symbol.iterator]();
  }

  of(offset: LogOffset): Attempt {
    return must(this.#attempts.get(offset), 'what is open is gone on with');
  }

  begunOf(offset: LogOffset): Begun {
    return must(this.#table.begun.get(offset), 'it was begun');
  }

  start(offset: LogOffset, attempt: NewAttempt): void {
    const { elapsed: now } = this.#desk;
    this.#attempts.set(offset, {
      ...attempt,
      votes: new Map(),
      rejections: new Map(),
      dones: new Set(),
      sentAt: now,
      begunAt: now,
    });
  }

  /** Does nothing where there is none. */
  forget(offset: LogOffset): void {
    this.#attempts.delete(offset);
  }

  /** Asks every participant that has not voted. */
  askAll(offset: LogOffset): void {
    const state = this.of(offset);
    state.sentAt = this.#desk.elapsed;
    for (const [name, part] of this.begunOf(offset).parts)
      if (!state.votes.has(name)) this.ask(offset, part);
  }

  /** Asks for the promise of one part. */
  ask(offset: LogOffset, { partition, name, content }: TransactionPart): void {
    const { id, attempt, holder } = this.begunOf(offset);
    const { at } = this.of(offset).document;
    const about = { id, part: name, attempt };
    this.#desk.send(partition, { kind: 'prepare', ...about, start: holder.start, at, content });
  }

  /** Tells what became of the attempt to every participant that has not said that it knows. */
  tellAll(offset: LogOffset): void {
    const { id, parts, attempt, tx } = this.begunOf(offset);
    const state = this.of(offset);
    state.sentAt = this.#desk.elapsed;
    for (const [name, part] of parts) {
      if (state.dones.has(name)) continue;
      const about = { id, part: part.name, attempt };
      this.#desk.send(part.partition, { kind: 'decision', ...about, tx });
    }
  }

  /** Whether a message is of an attempt other than the one that is under way. */
  isOfOther({ id, attempt }: VoteMessage | DoneMessage): boolean {
    const begun = this.#table.begun.get(id.offset);
    return begun !== undefined && begun.attempt !== attempt;
  }

  /** Notes what a participant has done. @returns whether that was the last of them */
  haveAllDone({ id: { offset }, part, from }: DoneMessage): boolean {
    const { dones } = this.of(offset);
    dones.add(partText({ partition: from, name: part }));
    for (const name of this.begunOf(offset).parts.keys()) if (!dones.has(name)) return false;
    return true;
  }

  notePromise(
    { id: { offset }, part, from }: VoteMessage,
    tx: Tx,
    needs: readonly TransactionPart[],
  ): void {
    const releases = needs.flatMap(({ content }) => decodeWork(content).releases);
    const name = partText({ partition: from, name: part });
    const { votes, rejections } = this.of(offset);
    votes.set(name, { tx, needs: releases });
    rejections.delete(name);
  }

  noteRejection({ id: { offset }, part, from }: VoteMessage, error: PyralogError): void {
    this.of(offset).rejections.set(partText({ partition: from, name: part }), error);
  }

  /** Partitions that have not promised a part. */
  unanswered(offset: LogOffset): readonly PartitionNo[] {
    const { votes } = this.of(offset);
    const missing = new Set<PartitionNo>();
    for (const [name, { partition }] of this.begunOf(offset).parts)
      if (!votes.has(name)) missing.add(partition);
    return [...missing];
  }
}
