import { assert, must, unreachable, utf8Encode } from '@pyralog/base';
import {
  type DoneMessage,
  encodeFacts,
  type FoundMessage,
  type Lock,
  type TransactionPart,
  type Vote,
  type VoteMessage,
} from '@pyralog/format';
import {
  CLOCK_SKEW_MAX,
  intValue,
  isClaimEntity,
  isPyralogError,
  type LogOffset,
  parseDocument,
  partitionOf,
  type PartitionNo,
  printDocument,
  PyralogError,
  type StoredFact,
  type TransactionDocument,
  TX_START,
  type Tx,
  txEntity,
} from '@pyralog/model';
import { claimOf, type Release, type Take } from './claims.ts';
import { type Need as MemoryNeed, NotLoaded } from './current-state.ts';
import type { Desk } from './desk.ts';
import { Doubts } from './doubts.ts';
import { decodeHints, HintsSoFar } from './hints.ts';
import { type Holder, isOlder, LockTable } from './locks.ts';
import { NO_CONTENTS } from './long-values.ts';
import {
  claimLocks,
  foreignIdentities,
  holderNamed,
  keyLock,
  locksOf,
  plan,
  type Plan,
  roughLocks,
  SCHEMA_HOME,
  uniqueConflict,
} from './plan.ts';
import { effortOf } from './outcome.ts';
import { quoted } from './refusals.ts';
import { firstWithKey, inCanonicalOrder, rejectionOf } from './resolve.ts';
import { type Key, type Need, type ResolvedWork, resolveWork } from './resolve-work.ts';
import { stamped } from './stamped.ts';
import { timeRefusal } from './times.ts';
import { type Begun, idText, partText, type TransactionTable } from './transaction-table.ts';
import { AT_COORDINATOR, cellOf, type CoordinatorState, perform } from './transition-tables.ts';
import { decodeWork, encodeWork, type PartWork } from './work.ts';

/** Documents that may wait for others (I13). */
const LINE_MAX = 10_000;
/** Documents of an imported stream whose state is had in memory before their turn. */
const ARRIVALS_AHEAD = 256;
/** How long a document may wait before it is refused, and how long participants may be asked, in nanoseconds. */
const WAIT_NANOS_MAX = 10_000_000_000n;
/** After an attempt that had to give way: doubles with every one. */
const BACKOFF_NANOS = 1_000_000n;
const BACKOFF_DOUBLINGS_MAX = 8;
/** What was not answered is sent again after this long. */
const RESEND_NANOS = 500_000_000n;

/** A document that waits for its turn. It holds nothing. */
interface Waiting {
  readonly holder: Holder;
  readonly offset: LogOffset;
  readonly document: TransactionDocument;
  readonly hints: HintsSoFar;
  /** When it came, by the wall clock. */
  readonly since: bigint;
  readonly notBefore: bigint;
  /** Why it may not have the time that it asks for; a duplicate is told of the first all the same. */
  readonly refusal: PyralogError | undefined;
  readonly doubts: Doubts;
  /** Attempts before. */
  readonly attempts: number;
  /** When others were asked for what it needs to know. */
  askedAt: bigint | undefined;
  /** What was in the way when it was planned last: while it is, nothing is to be planned. */
  blocked: readonly Lock[] | undefined;
}

/** What a coordinator knows of an attempt besides the log: lost with it, and found out again. */
interface Attempt {
  readonly document: TransactionDocument;
  readonly hints: HintsSoFar;
  readonly since: bigint;
  /** Of the parts that are promised, by name. */
  readonly votes: Map<string, { readonly tx: Tx; readonly needs: readonly Release[] }>;
  /** What parts were refused for, by name. */
  readonly rejections: Map<string, PyralogError>;
  /** Parts that have done what was decided. */
  readonly dones: Set<string>;
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

/**
 * Takes the documents of a partition in the order of their age, does those that concern it alone, and coordinates the
 * others (protocol 1.5). What is written by this partition's log is the table's; the rest is volatile, and a new owner
 * finds it out again.
 */
export class Coordinator {
  readonly #desk: Desk;
  readonly #table: TransactionTable;
  /** Prepares of others that wait here: an older one goes first. */
  readonly #waitingParts: LockTable;
  /** In import mode, one after the other. */
  readonly #arrivals: { readonly offset: LogOffset; readonly document: TransactionDocument }[] = [];
  #line: Waiting[] = [];
  readonly #inLine = new Map<LogOffset, Waiting>();
  /** What those in line are going to lock. */
  readonly lineLocks: LockTable = new LockTable();
  readonly #attempts = new Map<LogOffset, Attempt>();
  /** Something was released, or learned: all in line are to be looked at again. */
  #changed = false;
  /** Own locks were released: parts of others may wait for them. */
  #isReleased = false;
  /** When that is so without an event. */
  #due: bigint | undefined;
  /** What was not in memory when a document was looked at. */
  #wanted: MemoryNeed[] = [];

  constructor(desk: Desk, table: TransactionTable, waitingParts: LockTable) {
    this.#desk = desk;
    this.#table = table;
    this.#waitingParts = waitingParts;
  }

  /** The least offset of a document that has neither outcome nor begin. */
  get least(): LogOffset | undefined {
    let least: LogOffset | undefined;
    const take = (offset: LogOffset): void => {
      if (least === undefined || offset < least) least = offset;
    };
    for (const { offset } of this.#arrivals) take(offset);
    for (const { offset } of this.#line) if (!this.#table.begun.has(offset)) take(offset);
    return least;
  }

  /** Whether all is done at once, since nothing waits or is locked. */
  get isIdle(): boolean {
    return this.#line.length === 0 && this.#arrivals.length === 0 && this.#table.begun.size === 0;
  }

  /** Documents in line. */
  get waiting(): number {
    return this.#line.length + this.#arrivals.length;
  }

  /** Documents whose state must be known: those that may be looked at in the next step. */
  *documents(): Generator<{
    readonly document: TransactionDocument;
    readonly hints: HintsSoFar;
  }> {
    for (const { document } of this.#arrivals.slice(0, ARRIVALS_AHEAD))
      yield { document, hints: new HintsSoFar() };
    // What is still in the way of the others is looked at first; where it goes, they say what they want.
    for (const waiting of this.#line) {
      const { holder, blocked } = waiting;
      if (blocked === undefined || !this.#table.locks.blocks(holder.id, blocked)) yield waiting;
    }
    // An attempt that gives way is in line again as soon as all have heard of it.
    for (const [offset, attempt] of this.#attempts)
      if (this.#table.begun.get(offset)?.phase === 'retrying') yield attempt;
  }

  /** What the next step must have in memory besides what its documents and messages show. */
  get wanted(): readonly MemoryNeed[] {
    return this.#wanted;
  }

  /** When something is due without an event: a pause, a time limit, or a message to be sent again. */
  nextDue(): bigint | undefined {
    if (this.#wanted.length > 0) return this.#desk.elapsed;
    let due = this.#due;
    for (const [offset, { sentAt, begunAt }] of this.#attempts) {
      due = least(due, sentAt + RESEND_NANOS);
      if (cellOf(AT_COORDINATOR, 'unanswered', this.#stateOf(offset)) !== 'ignored')
        due = least(due, begunAt + WAIT_NANOS_MAX);
    }
    return due;
  }

  /** This partition is led from here on: what the log says is open is gone on with. */
  lead(): void {
    for (const [offset, begun] of this.#table.begun) {
      const document = {
        ...parseDocument(begun.document),
        contentHash: begun.contentHash,
      };
      const { elapsed: now } = this.#desk;
      this.#attempts.set(offset, {
        document,
        hints: new HintsSoFar(),
        since: now,
        votes: new Map(),
        rejections: new Map(),
        dones: new Set(),
        ids: new Map(),
        takes: [],
        isDoubtful: true,
        sentAt: now,
        begunAt: now,
      });
      perform(AT_COORDINATOR, 'takeover', begun.phase, {
        ask: () => this.#askAll(offset),
        tell: () => this.#tellAll(offset),
        'keep place and tell': () => {
          this.#keepPlace(begun.holder, document);
          this.#tellAll(offset);
        },
      });
    }
  }

  /** Takes a document. Whatever becomes of it, {@link advance} does. */
  accept(offset: LogOffset, document: TransactionDocument): void {
    perform(AT_COORDINATOR, 'document', this.#stateOf(offset), {
      enter: () => {
        if (this.waiting >= LINE_MAX) this.#reject(offset, tooMany(this.waiting));
        else if (this.#desk.schema.mode === 'import') this.#arrivals.push({ offset, document });
        else this.#enter(offset, document);
      },
    });
  }

  /** Does what can be done. @returns whether anything was, or was released that parts of others may wait for */
  advance(): boolean {
    let isAnything = this.#isReleased;
    this.#isReleased = false;
    while (this.#changed || this.#mayArrive) {
      if (this.#changed) {
        this.#changed = false;
        this.#lookAtAll();
        isAnything = true;
      }
      if (!this.#mayArrive) continue;
      const next = must(this.#arrivals.shift(), 'one has arrived');
      this.#enter(next.offset, next.document);
      isAnything = true;
    }
    return isAnything;
  }

  /** Looks at time limits, and at those whose time has come. */
  look(): void {
    const { elapsed: now } = this.#desk;
    if (this.#wanted.length > 0 || (this.#due !== undefined && now >= this.#due))
      this.#changed = true;
    this.#wanted = [];
    for (const [offset, attempt] of this.#attempts) {
      if (now - attempt.begunAt >= WAIT_NANOS_MAX) {
        perform(AT_COORDINATOR, 'unanswered', this.#stateOf(offset), {
          refuse: () => this.#refuse(offset, unanswered(this.#unanswered(offset))),
        });
      }
      if (now - attempt.sentAt < RESEND_NANOS) continue;
      perform(AT_COORDINATOR, 'resend due', this.#stateOf(offset), {
        ask: () => this.#askAll(offset),
        tell: () => this.#tellAll(offset),
      });
    }
  }

  /** What others say to a prepare. */
  vote(message: VoteMessage): void {
    const { vote } = message;
    const { offset } = message.id;
    const state = this.#stateOf(offset);
    if (this.#isOfOtherAttempt(message)) {
      perform(AT_COORDINATOR, 'other attempt', state, {});
      return;
    }
    switch (vote.kind) {
      case 'prepared':
        perform(AT_COORDINATOR, 'vote prepared', state, {
          'note promise': () => this.#notePromise(message, vote),
        });
        return;
      case 'retry':
        perform(AT_COORDINATOR, 'vote retry', state, {
          'give way': () => this.#giveWay(offset, vote),
        });
        return;
      case 'rejected': {
        const { code, detail, hint, extra } = vote.rejection;
        perform(AT_COORDINATOR, 'vote rejected', state, {
          'note rejection': () =>
            this.#noteRejection(message, new PyralogError(code, detail, { hint, extra })),
        });
        return;
      }
      default:
        unreachable(vote);
    }
  }

  /** A participant has done what was decided of its part. */
  done(message: DoneMessage): void {
    const { offset } = message.id;
    const event = this.#isOfOtherAttempt(message) ? 'other attempt' : 'done';
    perform(AT_COORDINATOR, event, this.#stateOf(offset), {
      'note, then wait': () => {
        if (this.#haveAllDone(message)) this.#waitAgain(offset);
      },
      'note, then end': () => {
        if (this.#haveAllDone(message)) this.#end(offset);
      },
    });
  }

  /** What another partition says of the schema. */
  found({ id, clock, hints }: FoundMessage): void {
    perform(AT_COORDINATOR, 'found', this.#stateOf(id.offset), {
      learn: () => {
        const waiting = must(this.#inLine.get(id.offset), 'it is in line');
        // What goes by it comes after it.
        this.#desk.raise(clock);
        const told = decodeHints(hints);
        waiting.hints.add(told);
        waiting.doubts.answered(told);
        if (!waiting.doubts.isWaiting) waiting.askedAt = undefined;
        waiting.blocked = undefined;
        this.#changed = true;
      },
    });
  }

  /** Something that others wait for may have been released. */
  released(): void {
    this.#changed = true;
  }

  /** The order of an imported stream is that of its times: one is decided before the next begins. */
  get #mayArrive(): boolean {
    if (this.#arrivals.length === 0 || this.#line.length > 0) return false;
    if (this.#desk.schema.mode !== 'import') return true;
    for (const { phase } of this.#table.begun.values())
      if (phase === 'preparing' || phase === 'retrying') return false;
    return true;
  }

  #enter(offset: LogOffset, document: TransactionDocument): void {
    const desk = this.#desk;
    const refusal = timeRefusal(document, desk.schema.mode, desk.last, desk.now);
    const start = desk.tick(refusal === undefined ? document.at : undefined);
    const id = { coordinator: desk.partition, offset };
    const waiting: Waiting = {
      holder: { id: idText(id), start },
      offset,
      document,
      hints: new HintsSoFar(),
      since: desk.elapsed,
      notBefore: desk.elapsed,
      refusal,
      doubts: new Doubts(),
      attempts: 0,
      askedAt: undefined,
      blocked: undefined,
    };
    if (this.#try(waiting, true)) return;
    this.#line.push(waiting);
    this.#inLine.set(offset, waiting);
    this.#due = least(this.#due, this.#dueOf(waiting));
  }

  /** Those behind it keep their order, though it holds nothing until it is back in line. */
  #keepPlace(holder: Holder, document: TransactionDocument): void {
    this.lineLocks.add(holder, holder.id, roughLocks(document));
  }

  #lookAtAll(): void {
    this.lineLocks.clear();
    for (const [offset, { document }] of this.#attempts) {
      const begun = this.#table.begun.get(offset);
      if (begun?.phase === 'retrying') this.#keepPlace(begun.holder, document);
    }
    this.#line = this.#line.filter((waiting) => {
      if (!this.#turn(waiting)) return true;
      this.#inLine.delete(waiting.offset);
      return false;
    });
    this.#due = undefined;
    for (const waiting of this.#line) this.#due = least(this.#due, this.#dueOf(waiting));
  }

  #dueOf({ notBefore, since, askedAt }: Waiting): bigint {
    let due = since + WAIT_NANOS_MAX;
    if (notBefore > this.#desk.elapsed) due = least(due, notBefore);
    return askedAt === undefined ? due : least(due, askedAt + RESEND_NANOS);
  }

  /** @returns whether the document is done or begun */
  #turn(waiting: Waiting): boolean {
    const event = this.#desk.elapsed - waiting.since >= WAIT_NANOS_MAX ? 'waited' : 'turn';
    const state = this.#table.begun.get(waiting.offset)?.phase ?? 'line';
    switch (cellOf(AT_COORDINATOR, event, state)) {
      case 'try':
        return this.#try(waiting, false);
      case 'reject':
        this.#reject(waiting.offset, waitedTooLong());
        return true;
    }
  }

  /** @returns whether the document is done or begun; else it waits, and what it will lock is noted */
  #try(waiting: Waiting, isFresh: boolean): boolean {
    try {
      const locks = this.#tryOrThrow(waiting, isFresh);
      if (locks === undefined) return true;
      this.lineLocks.add(waiting.holder, waiting.holder.id, locks);
      return false;
    } catch (error) {
      if (error instanceof NotLoaded) {
        // What was heard in this step shows what else is needed: the next one has it.
        this.#keepPlace(waiting.holder, waiting.document);
        this.#wanted.push(error.need);
        return false;
      }
      this.#reject(waiting.offset, error);
      return true;
    }
  }

  /** @returns what it will lock, where it has to wait */
  #tryOrThrow(waiting: Waiting, isFresh: boolean): readonly Lock[] | undefined {
    const { document, holder, offset, blocked } = waiting;
    // To plan it is much more, and many may wait for one.
    if (blocked !== undefined && this.#isBlocked(holder, blocked)) return blocked;
    const rough = roughLocks(document);
    const desk = this.#desk;
    if (desk.elapsed < waiting.notBefore || this.#isBlocked(holder, keyLock(document.id)))
      return rough;
    const first = firstWithKey(document, { state: desk.state });
    if (first !== undefined) {
      desk.emit({ kind: 'duplicate', offset, tx: first });
      desk.tell(offset, { kind: 'duplicate', tx: first });
      return undefined;
    }
    if (waiting.refusal !== undefined) throw waiting.refusal;
    const { doubts, hints } = waiting;
    if (doubts.isWaiting) {
      this.#askHolders(waiting);
      return rough;
    }
    const confirmed = doubts.takeConfirmed(hints);
    if (confirmed !== undefined) throw confirmed.error;
    try {
      return this.#tryNow(waiting, rough, isFresh);
    } catch (error) {
      if (!isPyralogError(error)) throw error;
      const { state, schema, partition, partitions, longValues } = desk;
      const context = { state, schema, partition, partitions, longValues, hints };
      const foreign = foreignIdentities(document, context);
      if (foreign.size === 0) throw error;
      doubts.note(error, foreign, hints);
      waiting.askedAt = undefined;
      this.#askHolders(waiting);
      return rough;
    }
  }

  /** The same, of one whose turn it is. */
  #tryNow(waiting: Waiting, rough: readonly Lock[], isFresh: boolean): readonly Lock[] | undefined {
    const { document, holder } = waiting;
    const desk = this.#desk;
    const planned = this.#plan(waiting, holder.start);
    if (planned.kind === 'lookup') {
      this.#ask(waiting, planned.attributes);
      return rough;
    }
    const locks = locksOf(planned.own, document.id, desk.schema);
    if (this.#isBlocked(holder, locks)) return (waiting.blocked = locks);
    const resolved = this.#resolve(waiting, planned, holder.start);
    const claims = claimLocks(resolved.claims);
    if (this.#isBlocked(holder, claims)) return (waiting.blocked = [...locks, ...claims]);
    const parts = partsOf(planned.others, resolved.needs);
    if (parts.length === 0) {
      this.#commit(waiting, planned, resolved, isFresh);
      return undefined;
    }
    for (const older of this.#waitingParts.inTheWay(holder.id, [...locks, ...claims]))
      if (isOlder(older, holder)) return [...locks, ...claims];
    this.#begin(waiting, planned, resolved, parts, [...locks, ...claims]);
    return undefined;
  }

  #isBlocked({ id }: Holder, locks: readonly Lock[]): boolean {
    return this.lineLocks.blocks(id, locks) || this.#table.locks.blocks(id, locks);
  }

  #plan({ document, hints }: Waiting, start: Tx): Plan {
    const { state, schema, partition, partitions, longValues } = this.#desk;
    const context = { state, schema, partition, partitions, longValues };
    return plan(document, { ...context, start, hints });
  }

  #resolve(
    { document }: Waiting,
    { own, isNew }: Plan & { readonly kind: 'work' },
    tx: Tx,
  ): ResolvedWork {
    const { state, schema, partition, partitions, longValues } = this.#desk;
    const context = { state, schema, partition, partitions, longValues, tx, isNew };
    return resolveWork(own, context, keyOf(document, tx));
  }

  /** All of it is here. Its start is its tx, unless it has waited: what was closed meanwhile stays closed. */
  #commit(
    waiting: Waiting,
    planned: Plan & { readonly kind: 'work' },
    resolved: ResolvedWork,
    isFresh: boolean,
  ): void {
    const desk = this.#desk;
    const { offset, document, holder } = waiting;
    let tx = holder.start;
    let facts = resolved.facts;
    let ids = planned.ids;
    if (!isFresh) {
      tx = desk.tick(document.at);
      const again = this.#plan(waiting, tx);
      assert(again.kind === 'work', 'a plan depends on its start in names alone');
      ({ facts } = this.#resolve(waiting, again, tx));
      ({ ids } = again);
    }
    const isTime = isFresh || desk.schema.mode === 'live';
    const waitedNanos = isTime ? tx - holder.start : undefined;
    desk.emit({ kind: 'commit', offset, tx, facts });
    const contents = desk.contentsOf(facts);
    const effort = { attempts: waiting.attempts + 1, waitedNanos, askedNanos: 0n };
    desk.tell(offset, { kind: 'committed', tx, facts, ids, participants: [], contents, effort });
    this.#attempts.delete(offset);
  }

  #begin(
    { document, hints, since, offset, holder, attempts }: Waiting,
    { own, ids }: Plan & { readonly kind: 'work' },
    { facts }: ResolvedWork,
    parts: readonly TransactionPart[],
    locks: readonly Lock[],
  ): void {
    const { elapsed: now, schema } = this.#desk;
    // In import mode time is that of the data, and none passes while it waits.
    const hasWaited = schema.mode === 'live' && (attempts > 0 || now > since);
    this.#desk.contentsOf(facts);
    const written = ids.size === 0 ? facts : withStart(facts, holder.start);
    this.#desk.emit({
      kind: 'begin',
      offset,
      attempt: attempts + 1,
      start: holder.start,
      begun: hasWaited ? this.#desk.tick(undefined) : holder.start,
      document: utf8Encode(printDocument(document)),
      contentHash: document.contentHash,
      parts,
      facts: encodeFacts(written),
      locks,
    });
    this.#attempts.set(offset, {
      document,
      hints,
      since,
      votes: new Map(),
      rejections: new Map(),
      dones: new Set(),
      ids,
      takes: own.takes,
      isDoubtful: ids.size > 0,
      sentAt: now,
      begunAt: now,
    });
    this.#askAll(offset);
  }

  #notePromise(
    { id: { offset }, part, from }: VoteMessage,
    { tx, needs }: Vote & { readonly kind: 'prepared' },
  ): void {
    const releases = needs.flatMap(({ content }) => decodeWork(content).releases);
    const name = partText({ partition: from, name: part });
    const { votes, rejections } = this.#attemptOf(offset);
    votes.set(name, { tx, needs: releases });
    rejections.delete(name);
    if (rejections.size === 0) this.#extend(offset, needs);
    this.#decideIfAll(offset);
  }

  #noteRejection({ id: { offset }, part, from }: VoteMessage, error: PyralogError): void {
    this.#attemptOf(offset).rejections.set(partText({ partition: from, name: part }), error);
    this.#decideIfAll(offset);
  }

  /** The attempt is over: nothing is locked while others are told (protocol 1.5.3). */
  #giveWay(offset: LogOffset, { clock, hints }: Vote & { readonly kind: 'retry' }): void {
    const { holder, attempt } = this.#begunOf(offset);
    const state = this.#attemptOf(offset);
    this.#desk.raise(clock);
    state.hints.add(decodeHints(hints));
    this.#desk.emit({ kind: 'retry', offset, attempt });
    this.#keepPlace(holder, state.document);
    this.#changed = true;
    this.#isReleased = true;
    this.#tellAll(offset);
  }

  /** Adds the parts that a vote has discovered. */
  #extend(offset: LogOffset, needs: readonly TransactionPart[]): void {
    for (const part of needs) {
      const begun = this.#begunOf(offset);
      if (begun.parts.has(partText(part)) || takesAny(begun.parts.values(), part)) continue;
      if (part.partition === this.#desk.partition && writes(begun, part.name)) continue;
      this.#desk.emit({ kind: 'extend', offset, part });
      this.#prepare(this.#begunOf(offset), part);
    }
  }

  #decideIfAll(offset: LogOffset): void {
    const begun = this.#begunOf(offset);
    const { votes, rejections, document, ids, takes, isDoubtful } = this.#attemptOf(offset);
    const [rejection] = rejections.values();
    // Who knows better than this partition whose entities these are has yet to speak.
    const isAll = [...begun.parts.keys()].every((name) => votes.has(name) || rejections.has(name));
    if (rejection !== undefined && (isAll || !isDoubtful)) return this.#refuse(offset, rejection);
    let greatest = begun.holder.start;
    for (const name of begun.parts.keys()) {
      const vote = votes.get(name);
      if (vote === undefined) return;
      if (vote.tx > greatest) greatest = vote.tx;
    }
    const desk = this.#desk;
    const taken = this.#notGivenUp(begun, votes, takes);
    if (taken !== undefined) return this.#refuse(offset, taken);
    if (desk.schema.mode === 'live' && greatest > desk.now + CLOCK_SKEW_MAX)
      return this.#refuse(offset, clocksApart(greatest - desk.now));
    // Above every promise, and above all that this partition ever gave.
    desk.raise(greatest);
    const tx = desk.tick(document.at);
    assert(tx > greatest, 'T2: a transaction is committed above all its promises');
    const facts = stamped(begun.facts, begun.holder.start, tx);
    const others = new Set(Array.from(begun.parts.values(), ({ partition }) => partition));
    others.delete(desk.partition);
    const participants = [...others].toSorted((a, b) => a - b);
    const { attempt, begunAt } = begun;
    const when = { attempt, start: begun.holder.start, begun: begunAt, tx };
    const effort = effortOf(when, desk.schema.mode);
    desk.emit({ kind: 'decided', offset, ...when, participants, facts });
    const contents = NO_CONTENTS;
    desk.tell(offset, { kind: 'committed', tx, facts, ids, participants, contents, effort });
    this.#changed = true;
    this.#isReleased = true;
    this.#tellAll(offset);
  }

  /** Why a value that is taken from an entity that lies elsewhere stays with it: nothing here or there gives it up. */
  #notGivenUp(
    begun: Begun,
    votes: Attempt['votes'],
    takes: readonly Take[],
  ): PyralogError | undefined {
    const { partition, partitions } = this.#desk;
    const given = new Set<string>();
    for (const { needs } of votes.values())
      for (const { claim, entity } of needs) given.add(`${claim} ${entity}`);
    const own = stamped(begun.facts, begun.holder.start, begun.holder.start);
    for (const { attribute, value, entity, operation } of own) {
      if (operation === 'retract' && this.#desk.schema.attribute(attribute)?.unique !== undefined)
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

  #refuse(offset: LogOffset, error: unknown): void {
    const { attempt } = this.#begunOf(offset);
    const rejection = rejectionOf(error);
    this.#desk.emit({ kind: 'refused', offset, attempt, rejection });
    this.#desk.tell(offset, { kind: 'rejected', rejection });
    this.#changed = true;
    this.#isReleased = true;
    this.#tellAll(offset);
  }

  #reject(offset: LogOffset, error: unknown): void {
    const rejection = rejectionOf(error);
    this.#desk.emit({ kind: 'rejected', offset, rejection });
    this.#desk.tell(offset, { kind: 'rejected', rejection });
    this.#attempts.delete(offset);
  }

  /** Notes what a participant has done. @returns whether that was the last of them */
  #haveAllDone({ id: { offset }, part, from }: DoneMessage): boolean {
    const { dones } = this.#attemptOf(offset);
    dones.add(partText({ partition: from, name: part }));
    for (const name of this.#begunOf(offset).parts.keys()) if (!dones.has(name)) return false;
    return true;
  }

  #end(offset: LogOffset): void {
    this.#desk.emit({ kind: 'end', offset });
    this.#attempts.delete(offset);
    this.#changed = true;
  }

  /** Back in line, as old as it was. */
  #waitAgain(offset: LogOffset): void {
    const { holder, attempt } = this.#begunOf(offset);
    const state = this.#attemptOf(offset);
    this.#table.waits(offset);
    const pause = BACKOFF_NANOS << BigInt(Math.min(attempt, BACKOFF_DOUBLINGS_MAX));
    const { elapsed: now } = this.#desk;
    const waiting: Waiting = {
      holder,
      offset,
      document: state.document,
      hints: state.hints,
      since: state.since,
      notBefore: state.hints.isNew ? now : now + pause,
      refusal: undefined,
      doubts: new Doubts(),
      attempts: attempt,
      askedAt: undefined,
      blocked: undefined,
    };
    this.#line.push(waiting);
    this.#inLine.set(offset, waiting);
    state.hints.isNew = false;
    this.#attempts.delete(offset);
    this.#line.sort((a, b) => (isOlder(a.holder, b.holder) ? -1 : 1));
    this.#changed = true;
  }

  /** Asks every participant that has not voted. */
  #askAll(offset: LogOffset): void {
    const begun = this.#begunOf(offset);
    const state = this.#attemptOf(offset);
    state.sentAt = this.#desk.elapsed;
    for (const [name, part] of begun.parts) if (!state.votes.has(name)) this.#prepare(begun, part);
  }

  /** Tells what became of the attempt to every participant that has not said that it knows. */
  #tellAll(offset: LogOffset): void {
    const { id, parts, attempt, tx } = this.#begunOf(offset);
    const state = this.#attemptOf(offset);
    state.sentAt = this.#desk.elapsed;
    for (const [name, part] of parts) {
      if (state.dones.has(name)) continue;
      const about = { id, part: part.name, attempt };
      this.#desk.send(part.partition, { kind: 'decision', ...about, tx });
    }
  }

  #prepare({ id, attempt, holder }: Begun, { partition, name, content }: TransactionPart): void {
    const { at } = this.#attemptOf(id.offset).document;
    const about = { id, part: name, attempt };
    this.#desk.send(partition, { kind: 'prepare', ...about, start: holder.start, at, content });
  }

  #ask(waiting: Waiting, attributes: readonly string[]): void {
    const { elapsed: now, partition } = this.#desk;
    if (waiting.askedAt !== undefined && now - waiting.askedAt < RESEND_NANOS) return;
    waiting.askedAt = now;
    const id = { coordinator: partition, offset: waiting.offset };
    this.#desk.send(SCHEMA_HOME, { kind: 'lookup', id, attributes, claims: [] });
  }

  #askHolders(waiting: Waiting): void {
    const { now, partition } = this.#desk;
    if (waiting.askedAt !== undefined && now - waiting.askedAt < RESEND_NANOS) return;
    waiting.askedAt = now;
    const id = { coordinator: partition, offset: waiting.offset };
    for (const [home, claims] of waiting.doubts.unanswered)
      this.#desk.send(home, { kind: 'lookup', id, attributes: [], claims });
  }

  #unanswered(offset: LogOffset): readonly PartitionNo[] {
    const { votes } = this.#attemptOf(offset);
    const { parts } = this.#begunOf(offset);
    const missing = new Set<PartitionNo>();
    for (const [name, { partition }] of parts) if (!votes.has(name)) missing.add(partition);
    return [...missing];
  }

  #stateOf(offset: LogOffset): CoordinatorState {
    const begun = this.#table.begun.get(offset);
    if (begun !== undefined) return begun.phase;
    return this.#inLine.has(offset) ? 'line' : 'none';
  }

  #isOfOtherAttempt({ id, attempt }: VoteMessage | DoneMessage): boolean {
    const begun = this.#table.begun.get(id.offset);
    return begun !== undefined && begun.attempt !== attempt;
  }

  #begunOf(offset: LogOffset): Begun {
    return must(this.#table.begun.get(offset), 'it was begun');
  }

  #attemptOf(offset: LogOffset): Attempt {
    return must(this.#attempts.get(offset), 'what is open is gone on with');
  }
}

function least(a: bigint | undefined, b: bigint): bigint {
  return a === undefined || b < a ? b : a;
}

/** What new ids are made of, so that they can be told again. */
function withStart(facts: readonly StoredFact[], start: Tx): readonly StoredFact[] {
  const entity = txEntity(start);
  const value = intValue(start);
  const said: StoredFact = { entity, attribute: TX_START, value, tx: start, operation: 'assert' };
  return inCanonicalOrder([...facts, said]);
}

/** Without the document's own entity and those that begin with it. @param tx as the transaction is called until it has its own */
function keyOf({ id, contentHash }: TransactionDocument, tx: Tx): Key | undefined {
  return id === undefined ? undefined : { id, contentHash, entity: txEntity(tx) };
}

/** The parts of other partitions, and of those whose unique values are given up here. */
function partsOf(
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

function stillHeld(holder: string): PyralogError {
  return new PyralogError(
    'unique-conflict',
    `A unique value that the transaction takes belongs to ${quoted(holder)}, which does not give it up.`,
    { extra: { owner: holder } },
  );
}

function tooMany(waiting: number): PyralogError {
  return new PyralogError(
    'busy',
    `${waiting} transactions wait for others on this partition, which is the bound.`,
    { hint: 'Send the transaction again after a pause.' },
  );
}

function waitedTooLong(): PyralogError {
  return new PyralogError(
    'busy',
    `The transaction has waited ${WAIT_NANOS_MAX / 1_000_000_000n} s for others that use the same entities.`,
    { hint: 'Send it again. Transactions that are not decided for long are shown by the status.' },
  );
}

function unanswered(partitions: readonly PartitionNo[]): PyralogError {
  return new PyralogError(
    'busy',
    `The transaction needs ${partitions.map((each) => `partition ${each}`).join(', ')}, and nothing was heard from there for ${WAIT_NANOS_MAX / 1_000_000_000n} s.`,
    { hint: 'Nothing was written. Send it again when the sequencers of these partitions run.' },
  );
}

function clocksApart(nanos: bigint): PyralogError {
  return new PyralogError(
    'clock-ahead',
    `The clock of another partition is ${nanos / 1_000_000n} ms ahead of this one's.`,
    { hint: 'Nothing was written. Have the clocks of all sequencers set by one source.' },
  );
}
