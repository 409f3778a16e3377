import { must } from '@pyralog/base';
import { encodeFacts, type Lock, type TransactionPart } from '@pyralog/format';
import type {
  DecisionMessage,
  LookupMessage,
  PartAttempt,
  PrepareMessage,
  Vote,
} from '@pyralog/format';
import type { StoredDefinition } from '@pyralog/model';
import { type Need, NotLoaded } from './current-state.ts';
import type { Desk } from './desk.ts';
import { encodeHints } from './hints.ts';
import { type Holder, isOlder, type LockTable } from './locks.ts';
import { claimLocks, holderOf, locksOf } from './plan.ts';
import { rejectionOf } from './resolve.ts';
import { type ResolvedWork, resolveWork, WrongAssumption } from './resolve-work.ts';
import { stamped } from './stamped.ts';
import { idText, preparedText, type TransactionTable } from './transaction-table.ts';
import { AT_PARTICIPANT, cellOf, type PartState, perform } from './transition-tables.ts';
import { decodeWork, encodeWork, type PartWork } from './work.ts';

/** A prepare that younger ones are in the way of. Volatile: its coordinator sends it again. */
interface WaitingPart {
  readonly message: PrepareMessage;
  readonly holder: Holder;
  readonly work: PartWork;
}

/** Promises and does the parts of transactions that other partitions coordinate (protocol 1.6). */
export class Participant {
  readonly #desk: Desk;
  readonly #table: TransactionTable;
  /** What documents in line are going to lock here: an older one goes first. */
  readonly #lineLocks: LockTable;
  readonly #released: () => void;
  #waiting: WaitingPart[] = [];
  /** Questions who holds what is promised just now. Volatile as well. */
  #lookups: LookupMessage[] = [];
  /** What waiting parts are going to lock, and which parts these are. */
  readonly #waitingLocks: LockTable;
  /** Whose locks these are. */
  #inTheWay: ReadonlySet<string> = new Set();
  #changed = false;
  /** What was not in memory when a part was looked at. */
  #wanted: Need[] = [];

  constructor(
    desk: Desk,
    table: TransactionTable,
    lineLocks: LockTable,
    waitingLocks: LockTable,
    released: () => void,
  ) {
    this.#desk = desk;
    this.#table = table;
    this.#lineLocks = lineLocks;
    this.#waitingLocks = waitingLocks;
    this.#released = released;
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#lookups.length === 0;
  }

  /** What the next step must have in memory besides what its parts show: then they are looked at again. */
  get wanted(): readonly Need[] {
    return this.#wanted;
  }

  /** Looks at what could not be looked at before. */
  look(): void {
    if (this.#wanted.length > 0) this.#changed = true;
    this.#wanted = [];
  }

  /** Parts whose state must be known: those that may be resolved in the next step. */
  *works(): Generator<PartWork> {
    for (const { work } of this.#waiting) yield work;
  }

  /** Claims that were asked for. */
  *claims(): Generator<string> {
    for (const { claims } of this.#lookups) yield* claims;
  }

  /** A coordinator asks for a promise. @param isNew whether its mark is above that of the last one */
  prepare(message: PrepareMessage, isNew: boolean): void {
    perform(AT_PARTICIPANT, isNew ? 'prepare' : 'late', this.#stateOf(message), {
      queue: () => this.#queue(message),
      replace: () => {
        this.#forget(message);
        this.#queue(message);
      },
      'vote again': () => {
        const prepared = must(this.#table.prepared.get(preparedText(message)), 'it is promised');
        this.#vote(message, { kind: 'prepared', tx: prepared.tx, needs: prepared.needs });
      },
    });
  }

  /** A coordinator has decided. @param isNew whether its mark is above that of the last one */
  decide(message: DecisionMessage, isNew: boolean): void {
    const { id, part, attempt, tx } = message;
    const state = this.#stateOf(message);
    const forget = (): void => {
      this.#forget(message);
      this.#answer(message);
    };
    const answer = (): void => this.#answer(message);
    if (!isNew) {
      perform(AT_PARTICIPANT, 'late', state, {});
    } else if (tx === undefined) {
      const abort = (): void => {
        this.#desk.emit({ kind: 'aborted', id, part, attempt });
        this.#released();
        this.#answer(message);
      };
      perform(AT_PARTICIPANT, 'decision aborted', state, { abort, forget, answer });
    } else {
      const commit = (): void => {
        const prepared = must(this.#table.prepared.get(preparedText(message)), 'it is promised');
        this.#desk.raise(tx);
        const facts = stamped(prepared.facts, prepared.start, tx);
        this.#desk.emit({ kind: 'committed', id, part, tx, facts });
        this.#released();
        this.#answer(message);
      };
      perform(AT_PARTICIPANT, 'decision committed', state, { commit, forget, answer });
    }
  }

  /** A coordinator asks which attributes exist, and who holds unique values. */
  lookup(message: LookupMessage): void {
    const name = idText(message.id);
    this.#lookups = this.#lookups.filter(({ id }) => idText(id) !== name);
    this.#lookups.push(message);
    this.#changed = true;
  }

  /** Something was released that may be waited for. */
  released(): void {
    this.#changed = true;
  }

  /** Promises what can be promised. @returns whether anything changed */
  advance(): boolean {
    if (!this.#changed) return false;
    this.#changed = false;
    this.#lookups = this.#lookups.filter((message) => !this.#tell(message));
    const before = this.#waiting;
    const wereInTheWay = this.#inTheWay;
    const inTheWay = new Set<string>();
    this.#waitingLocks.clear();
    this.#waiting = [];
    for (const waiting of before) {
      const name = preparedText(waiting.message);
      const locks = this.#turn(name, waiting);
      if (locks === undefined) continue;
      this.#waitingLocks.add(waiting.holder, name, locks);
      this.#waiting.push(waiting);
      inTheWay.add(name);
    }
    this.#inTheWay = inTheWay;
    let isReleased = false;
    for (const name of wereInTheWay) {
      // A promise is in the way of documents in line as what waited was.
      if (!inTheWay.has(name) && !this.#table.prepared.has(name)) isReleased = true;
    }
    if (isReleased) this.#released();
    return isReleased || this.#waiting.length < before.length;
  }

  /** @returns whether it was answered: what is promised may be decided already, and then is what was asked for */
  #tell({ id, attributes, claims }: LookupMessage): boolean {
    const { schema, state, clock } = this.#desk;
    const reads = claimLocks(claims).map((lock) => ({ ...lock, write: false }));
    if (this.#table.locks.blocks('', reads)) return false;
    const found = new Map<string, StoredDefinition | undefined>();
    for (const ident of attributes) found.set(ident, schema.attribute(ident));
    const holders = new Map<string, string | undefined>();
    try {
      for (const claim of claims) holders.set(claim, holderOf(claim, state));
    } catch (error) {
      if (!(error instanceof NotLoaded)) throw error;
      this.#wanted.push(error.need);
      return false;
    }
    const hints = encodeHints({ attributes: found, holders });
    this.#desk.send(id.coordinator, { kind: 'found', id, clock, hints });
    return true;
  }

  /** @returns what it will lock, where it has to wait */
  #turn(name: string, waiting: WaitingPart): readonly Lock[] | undefined {
    const state = this.#table.prepared.has(name) ? 'prepared' : 'waiting';
    switch (cellOf(AT_PARTICIPANT, 'turn', state)) {
      case 'try':
        return this.#try(waiting);
    }
  }

  #stateOf(about: PartAttempt): PartState {
    const name = preparedText(about);
    const prepared = this.#table.prepared.get(name);
    if (prepared !== undefined)
      return prepared.attempt === about.attempt ? 'prepared' : 'prepared, other attempt';
    const waiting = this.#waiting.find(({ message }) => preparedText(message) === name);
    if (waiting === undefined) return 'none';
    return waiting.message.attempt > about.attempt ? 'waiting, later attempt' : 'waiting';
  }

  #queue(message: PrepareMessage): void {
    this.#waiting.push({
      message,
      holder: { id: idText(message.id), start: message.start },
      work: decodeWork(message.content),
    });
    this.#waiting.sort((a, b) => (isOlder(a.holder, b.holder) ? -1 : 1));
    this.#changed = true;
  }

  #forget(about: PartAttempt): void {
    const name = preparedText(about);
    this.#waiting = this.#waiting.filter(({ message }) => preparedText(message) !== name);
  }

  /** Also of what is not known: it was done, or was never promised. */
  #answer({ id, part, attempt }: DecisionMessage): void {
    this.#changed = true;
    const from = this.#desk.partition;
    this.#desk.send(id.coordinator, { kind: 'done', id, part, attempt, from });
  }

  /** @returns what it will lock, where it has to wait */
  #try({ message, holder, work }: WaitingPart): readonly Lock[] | undefined {
    const locks = locksOf(work, undefined, this.#desk.schema);
    const blocked = this.#blocked(holder, locks);
    if (blocked === 'by older') return this.#giveWay(message);
    if (blocked === 'by younger') return locks;
    const desk = this.#desk;
    // Nothing may come of it, and then the time is given to nobody.
    const tx = desk.tick(message.at);
    let resolved: ResolvedWork;
    try {
      const { state, schema, partition, partitions, longValues } = desk;
      const isNew = (): boolean => false;
      const context = { state, schema, partition, partitions, longValues, tx, isNew };
      resolved = resolveWork(work, context, undefined);
    } catch (error) {
      if (error instanceof NotLoaded) {
        this.#wanted.push(error.need);
        return locks;
      }
      if (error instanceof WrongAssumption)
        this.#vote(message, { kind: 'retry', clock: desk.clock, hints: encodeHints(error) });
      else this.#vote(message, { kind: 'rejected', rejection: rejectionOf(error) });
      return undefined;
    }
    const claims = claimLocks(resolved.claims);
    const byClaims = this.#blocked(holder, claims);
    if (byClaims === 'by older') return this.#giveWay(message);
    if (byClaims === 'by younger') return [...locks, ...claims];
    const { id, part, attempt, start } = message;
    const needs = resolved.needs.map(({ home, release }): TransactionPart => ({
      partition: home,
      name: release.claim,
      content: encodeWork({ releases: [release] }),
    }));
    // A promise is kept by whoever leads then, with nothing but the log.
    desk.contentsOf(resolved.facts);
    desk.emit({
      kind: 'prepared',
      id,
      part,
      attempt,
      start,
      tx,
      facts: encodeFacts(resolved.facts),
      locks: [...locks, ...claims],
      needs,
    });
    this.#vote(message, { kind: 'prepared', tx, needs });
    return undefined;
  }

  /** Wait-die: whoever is older goes first, whether it holds what is wanted or waits for it. */
  #blocked(holder: Holder, locks: readonly Lock[]): 'by older' | 'by younger' | undefined {
    let isBlocked = false;
    for (const other of this.#table.locks.inTheWay(holder.id, locks)) {
      if (isOlder(other, holder)) return 'by older';
      isBlocked = true;
    }
    for (const table of [this.#waitingLocks, this.#lineLocks])
      for (const other of table.inTheWay(holder.id, locks))
        if (isOlder(other, holder)) return 'by older';
    return isBlocked ? 'by younger' : undefined;
  }

  #giveWay(message: WaitingPart['message']): undefined {
    this.#vote(message, { kind: 'retry', clock: this.#desk.clock, hints: '' });
    return undefined;
  }

  #vote({ id, part, attempt }: WaitingPart['message'], vote: Vote): void {
    const from = this.#desk.partition;
    this.#desk.send(id.coordinator, { kind: 'vote', id, part, attempt, from, vote });
  }
}
