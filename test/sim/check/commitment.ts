/**
 * What the logs of several partitions say of transactions over them (protocol 1.2 to 1.6), read by the words of the
 * protocol and not by the product's table: what judges must not share its mistakes.
 */
import type { Item, Lock } from '@pyralog/format';
import type { Finding, LoggedRecord } from './history.ts';

/** A transaction over partitions, as the log of its coordinator tells of it. */
interface Coordinated {
  readonly name: string;
  /** When its document was first begun, by whom. */
  readonly epoch: number;
  readonly start: bigint;
  attempt: number;
  phase: 'preparing' | 'retrying' | 'committed' | 'refused' | 'ended';
  /** Of the attempt, by partition and name. */
  readonly parts: Set<string>;
  tx: bigint | undefined;
  /** When its decision was in the log, in microseconds of virtual time. */
  decidedMicros: number;
}

/** A part that a participant has promised. */
interface Promised {
  readonly attempt: number;
  readonly tx: bigint;
}

/** A promise that was made, and when it was kept or given up, in microseconds of virtual time. */
interface PastPromise {
  readonly name: string;
  readonly attempt: number;
  readonly tx: bigint;
  readonly landedMicros: number;
  endedMicros: number;
}

/** What happened to transactions over partitions, to be seen that everything did. */
interface CommitmentCounts {
  begun: number;
  /** Committed on more than one partition. */
  decided: number;
  /** Committed on all three and more. */
  wide: number;
  /** Attempts that gave way. */
  retries: number;
  /** Participants that votes discovered. */
  extends: number;
  /** Given up for good after they were begun. */
  refused: number;
  prepared: number;
  aborted: number;
  /** Owners that began where a transaction was open at its coordinator. */
  takeoversOfCoordinators: number;
  /** Owners that began where a part was promised. */
  takeoversOfParticipants: number;
}

/** What logs leave, and what is wrong in them. */
export interface Commitment {
  readonly findings: readonly Finding[];
  readonly counts: Readonly<CommitmentCounts>;
  /** Transactions and promises that are not over. */
  readonly open: readonly string[];
}

const CHECK = 'atomic commitment';

/** Reads the logs of all partitions. */
export function readCommitment(records: readonly LoggedRecord[]): Commitment {
  const reading = new Reading();
  for (const record of records) if (record.counts) reading.take(record);
  return reading.end();
}

class Reading {
  readonly #findings: Finding[] = [];
  readonly #transactions = new Map<string, Coordinated>();
  /** Open promises, by partition, transaction and part. */
  readonly #promised = new Map<string, Promised>();
  /** All that were ever made: by transaction, part and attempt. */
  readonly #promises = new Map<string, PastPromise>();
  readonly #begins: { readonly name: string; readonly attempt: number; readonly micros: number }[] =
    [];
  /** Parts in force, by transaction and part. */
  readonly #inForce = new Map<string, bigint>();
  readonly #locks = new Map<number, Locks>();
  readonly counts: CommitmentCounts = {
    begun: 0,
    decided: 0,
    wide: 0,
    retries: 0,
    extends: 0,
    refused: 0,
    prepared: 0,
    aborted: 0,
    takeoversOfCoordinators: 0,
    takeoversOfParticipants: 0,
  };

  take(record: LoggedRecord): void {
    const { partition, seq, items } = record;
    if (seq === 0) this.#takeover(partition);
    for (const item of items) this.#item(item, record);
  }

  end(): Commitment {
    for (const each of this.#transactions.values()) this.#checkOutcome(each);
    this.#checkAttempts();
    const open = [
      ...[...this.#transactions.values()]
        .filter(({ phase }) => phase !== 'ended')
        .map(({ name, phase }) => `${name} is ${phase}`),
      ...[...this.#promised.keys()].map((each) => `${each} is promised`),
    ];
    return { findings: this.#findings, counts: this.counts, open };
  }

  #takeover(partition: number): void {
    const isOpen = ({ name, phase }: Coordinated): boolean =>
      phase !== 'ended' && name.startsWith(`${partition}.`);
    if ([...this.#transactions.values()].some(isOpen)) this.counts.takeoversOfCoordinators++;
    if ([...this.#promised.keys()].some((each) => each.startsWith(`${partition}:`)))
      this.counts.takeoversOfParticipants++;
  }

  #item(item: Item, record: LoggedRecord): void {
    const { partition, epoch, offset: at, claims, outcomes, landedMicros } = record;
    const where = `record ${at} of partition ${partition}`;
    const locks = this.#locksOf(partition);
    switch (item.kind) {
      case 'commit': {
        const name = `${partition}.${item.offset}`;
        this.#done(name);
        const written = outcomes.find(({ input }) => input === item.offset)?.result;
        const facts = written?.kind === 'commit' ? written.facts : [];
        const wanted = [...facts, ...claims.filter(({ tx }) => tx === item.tx)].map(
          ({ entity, attribute }) => ({ resource: `e:${entity}`, attribute, write: true }),
        );
        this.#checkLocks(where, locks, name, wanted);
        return;
      }
      case 'rejected':
      case 'duplicate':
        return this.#done(`${partition}.${item.offset}`);
      case 'begin':
        this.#begins.push({
          name: `${partition}.${item.offset}`,
          attempt: item.attempt,
          micros: landedMicros,
        });
        return this.#begin(item, partition, epoch, where);
      case 'extend': {
        const begun = this.#of(`${partition}.${item.offset}`, ['preparing'], 'extended', where);
        begun?.parts.add(`${item.part.partition}:${item.part.name}`);
        this.counts.extends++;
        return;
      }
      case 'retry': {
        const begun = this.#of(`${partition}.${item.offset}`, ['preparing'], 'retried', where);
        if (begun !== undefined) begun.phase = 'retrying';
        locks.release(`own ${item.offset}`);
        this.counts.retries++;
        return;
      }
      case 'decided': {
        const begun = this.#of(`${partition}.${item.offset}`, ['preparing'], 'decided', where);
        locks.release(`own ${item.offset}`);
        if (begun === undefined) return;
        begun.phase = 'committed';
        begun.tx = item.tx;
        begun.decidedMicros = landedMicros;
        this.counts.decided++;
        if (item.participants.length > 1) this.counts.wide++;
        return;
      }
      case 'refused': {
        const begun = this.#of(`${partition}.${item.offset}`, ['preparing'], 'refused', where);
        if (begun !== undefined) begun.phase = 'refused';
        locks.release(`own ${item.offset}`);
        this.counts.refused++;
        return;
      }
      case 'end': {
        const name = `${partition}.${item.offset}`;
        const begun = this.#of(name, ['committed', 'refused'], 'ended', where);
        if (begun !== undefined) begun.phase = 'ended';
        return;
      }
      case 'prepared': {
        const { id, part, attempt, tx } = item;
        const name = `${id.coordinator}.${id.offset}`;
        const seat = `${partition}:${name}/${part}`;
        if (this.#promised.has(seat)) this.#wrong(`${where} promises ${seat} twice`);
        this.#promised.set(seat, { attempt, tx });
        const endedMicros = Number.POSITIVE_INFINITY;
        this.#promises.set(`${seat} ${attempt}`, { name, attempt, tx, landedMicros, endedMicros });
        this.#checkLocks(where, locks, name, item.locks);
        locks.add(seat, name, item.locks);
        this.counts.prepared++;
        return;
      }
      case 'committed':
      case 'aborted': {
        const { id, part } = item;
        const seat = `${partition}:${id.coordinator}.${id.offset}/${part}`;
        const promised = this.#promised.get(seat);
        if (promised === undefined)
          return this.#wrong(`${where} has ${seat} ${item.kind}, which is not promised`);
        this.#promised.delete(seat);
        const past = this.#promises.get(`${seat} ${promised.attempt}`);
        if (past !== undefined) past.endedMicros = landedMicros;
        locks.release(seat);
        if (item.kind === 'aborted') this.counts.aborted++;
        else if (this.#inForce.has(seat)) this.#wrong(`${where} commits ${seat} twice`);
        else this.#inForce.set(seat, item.tx);
        return;
      }
    }
  }

  #begin(
    item: Extract<Item, { kind: 'begin' }>,
    partition: number,
    epoch: number,
    where: string,
  ): void {
    const { offset, attempt, start, parts } = item;
    const name = `${partition}.${offset}`;
    const before = this.#transactions.get(name);
    if (before !== undefined && before.phase !== 'retrying')
      this.#wrong(`${where} begins ${name}, which is ${before.phase}`);
    if (attempt !== (before?.attempt ?? 0) + 1)
      this.#wrong(`${where} begins ${name} as attempt ${attempt} behind ${before?.attempt ?? 0}`);
    if (before !== undefined && before.start !== start)
      this.#wrong(`${where} begins ${name} again with another age`);
    for (const other of this.#transactions.values()) {
      if (before !== undefined || other.epoch !== epoch || !other.name.startsWith(`${partition}.`))
        continue;
      const isBefore = Number(other.name.split('.')[1]) < offset;
      if (isBefore !== other.start < start)
        this.#wrong(`${where} begins ${name}, whose age and input disagree with ${other.name}`);
    }
    this.#transactions.set(name, {
      name,
      epoch: before?.epoch ?? epoch,
      start,
      attempt,
      phase: 'preparing',
      parts: new Set(parts.map((part) => `${part.partition}:${part.name}`)),
      tx: undefined,
      decidedMicros: 0,
    });
    const locks = this.#locksOf(partition);
    this.#checkLocks(where, locks, name, item.locks);
    locks.add(`own ${offset}`, name, item.locks);
    if (before === undefined) this.counts.begun++;
  }

  /** In line again, and then done without others. */
  #done(name: string): void {
    const begun = this.#transactions.get(name);
    if (begun === undefined) return;
    if (begun.phase !== 'retrying') this.#wrong(`${name} is done while it is ${begun.phase}`);
    begun.phase = 'ended';
  }

  #of(
    name: string,
    phases: readonly Coordinated['phase'][],
    what: string,
    where: string,
  ): Coordinated | undefined {
    const begun = this.#transactions.get(name);
    if (begun !== undefined && phases.includes(begun.phase)) return begun;
    this.#wrong(`${where}: ${name} is ${what}, and was ${begun?.phase ?? 'not begun'}`);
    return undefined;
  }

  /** Whole or not at all, on promises of exactly the attempt that was decided. */
  #checkOutcome({ name, parts, attempt, tx, phase, decidedMicros }: Coordinated): void {
    const said = [...this.#inForce].filter(([seat]) => seat.split(/[:/]/)[1] === name);
    if (tx === undefined) {
      for (const [seat] of said) this.#wrong(`${seat} is in force, and ${name} is ${phase}`);
      return;
    }
    for (const part of parts) {
      const [partition, claim = ''] = part.split(/:(.*)/s);
      const seat = `${partition}:${name}/${claim}`;
      const promise = this.#promises.get(`${seat} ${attempt}`);
      if (promise === undefined)
        this.#wrong(`${name} is committed, and attempt ${attempt} of ${seat} was never promised`);
      else if (promise.tx >= tx) this.#wrong(`${name} is committed at ${tx}, below ${seat}`);
      else if (promise.landedMicros > decidedMicros)
        this.#wrong(`${name} is committed before attempt ${attempt} of ${seat} is promised`);
      const its = this.#inForce.get(seat);
      if (its !== tx && (its !== undefined || phase === 'ended'))
        this.#wrong(`${name} is committed at ${tx}, and ${seat} at ${its}`);
    }
    for (const [seat] of said) {
      const [partition, rest = ''] = seat.split(/:(.*)/s);
      if (!parts.has(`${partition}:${rest.slice(name.length + 1)}`))
        this.#wrong(`${seat} is in force, which is no part of ${name}`);
    }
  }

  /**
   * No attempt begins while one before is promised anywhere. A new owner that hears old messages again promises it again,
   * and hears next that it is over.
   */
  #checkAttempts(): void {
    for (const { name, attempt, micros } of this.#begins)
      for (const [seat, promise] of this.#promises) {
        if (promise.name !== name || promise.attempt >= attempt) continue;
        if (promise.landedMicros < micros && promise.endedMicros > micros)
          this.#wrong(`attempt ${attempt} of ${name} begins while ${seat} is promised`);
      }
  }

  #locksOf(partition: number): Locks {
    const known = this.#locks.get(partition);
    if (known !== undefined) return known;
    const locks = new Locks();
    this.#locks.set(partition, locks);
    return locks;
  }

  #checkLocks(where: string, locks: Locks, name: string, wanted: readonly Lock[]): void {
    const held = locks.inTheWay(name, wanted);
    if (held !== undefined) this.#wrong(`${where}: ${name} has what ${held} has locked`);
  }

  #wrong(what: string): void {
    this.#findings.push({ check: CHECK, what });
  }
}

/** Locks of a partition, as its log tells of them. */
class Locks {
  readonly #held = new Map<string, { readonly name: string; readonly locks: readonly Lock[] }>();

  add(seat: string, name: string, locks: readonly Lock[]): void {
    this.#held.set(seat, { name, locks });
  }

  release(seat: string): void {
    this.#held.delete(seat);
  }

  /** Another transaction, and what it has that one of these locks cannot be had beside. */
  inTheWay(name: string, wanted: readonly Lock[]): string | undefined {
    for (const { name: other, locks } of this.#held.values()) {
      if (other === name) continue;
      const held = locks.find((lock) => wanted.some((each) => cannotBoth(lock, each)));
      if (held !== undefined) return `${other} (${held.resource})`;
    }
    return undefined;
  }
}

/** Whether two transactions cannot have two locks at once. */
export function cannotBoth(a: Lock, b: Lock): boolean {
  return (
    (a.write || b.write) &&
    a.resource === b.resource &&
    (a.attribute === undefined || b.attribute === undefined || a.attribute === b.attribute)
  );
}
