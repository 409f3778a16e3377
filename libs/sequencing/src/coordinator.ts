import { assert, must, unreachable, utf8Encode } from '@pyralog/base';
import {
  type DoneMessage,
  encodeFacts,
  type FoundMessage,
  type Lock,
  type LookupMessage,
  type TransactionPart,
  type Vote,
  type VoteMessage,
} from '@pyralog/format';
import {
  CLOCK_SKEW_MAX,
  isPyralogError,
  type LogOffset,
  parseDocument,
  type PartitionNo,
  printDocument,
  PyralogError,
  type TransactionDocument,
  type Tx,
  txEntity,
} from '@pyralog/model';
import { Attempts } from './attempts.ts';
import { type Need as MemoryNeed, NotLoaded } from './current-state.ts';
import type { Desk } from './desk.ts';
import { decodeHints, HintsSoFar } from './hints.ts';
import { least, Line, newWaiting, RESEND_NANOS, WAIT_NANOS_MAX, type Waiting } from './line.ts';
import { type Holder, isOlder, type LockTable } from './locks.ts';
import { NO_CONTENTS } from './long-values.ts';
import { effortOf } from './outcome.ts';
import { isSettled, notGivenUp, partsOf, withStart } from './parts.ts';
import {
  claimLocks,
  foreignIdentities,
  keyLock,
  locksOf,
  plan,
  type Plan,
  roughLocks,
  SCHEMA_HOME,
} from './plan.ts';
import { clocksApart, tooMany, unanswered, waitedTooLong } from './refusals.ts';
import { firstWithKey, rejectionOf } from './resolve.ts';
import { type Key, type ResolvedWork, resolveWork } from './resolve-work.ts';
import { stamped } from './stamped.ts';
import { timeRefusal } from './times.ts';
import { idText, partText, type TransactionTable } from './transaction-table.ts';
import { AT_COORDINATOR, cellOf, type CoordinatorState, perform } from './transition-tables.ts';

/** Documents that may wait for others (I13). */
const LINE_MAX = 10_000;
/** Documents of an imported stream whose state is had in memory before their turn. */
const ARRIVALS_AHEAD = 256;
/** After an attempt that had to give way, in nanoseconds: doubles with every one. */
const BACKOFF_NANOS = 1_000_000n;
const BACKOFF_DOUBLINGS_MAX = 8;

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
  readonly #line = new Line();
  readonly #attempts: Attempts;
  /** Something was released, or learned: all in line are to be looked at again. */
  #changed = false;
  /** Own locks were released: parts of others may wait for them. */
  #isReleased = false;
  /** What was not in memory when a document was looked at. */
  #wanted: MemoryNeed[] = [];

  constructor(desk: Desk, table: TransactionTable, waitingParts: LockTable) {
    this.#desk = desk;
    this.#table = table;
    this.#waitingParts = waitingParts;
    this.#attempts = new Attempts(desk, table);
  }

  /** What those in line are going to lock. */
  get lineLocks(): LockTable {
    return this.#line.locks;
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
    let { due } = this.#line;
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
      this.#attempts.start(offset, {
        document,
        hints: new HintsSoFar(),
        since: this.#desk.elapsed,
        ids: new Map(),
        takes: [],
        isDoubtful: true,
      });
      perform(AT_COORDINATOR, 'takeover', begun.phase, {
        ask: () => this.#attempts.askAll(offset),
        tell: () => this.#attempts.tellAll(offset),
        'keep place and tell': () => {
          this.#line.keepPlace(begun.holder, document);
          this.#attempts.tellAll(offset);
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
    const { due } = this.#line;
    if (this.#wanted.length > 0 || (due !== undefined && now >= due)) this.#changed = true;
    this.#wanted = [];
    for (const [offset, attempt] of this.#attempts) {
      if (now - attempt.begunAt >= WAIT_NANOS_MAX) {
        perform(AT_COORDINATOR, 'unanswered', this.#stateOf(offset), {
          refuse: () =>
            this.#refuse(offset, unanswered(this.#attempts.unanswered(offset), WAIT_NANOS_MAX)),
        });
      }
      if (now - attempt.sentAt < RESEND_NANOS) continue;
      perform(AT_COORDINATOR, 'resend due', this.#stateOf(offset), {
        ask: () => this.#attempts.askAll(offset),
        tell: () => this.#attempts.tellAll(offset),
      });
    }
  }

  /** What others say to a prepare. */
  vote(message: VoteMessage): void {
    const { vote } = message;
    const { offset } = message.id;
    const state = this.#stateOf(offset);
    if (this.#attempts.isOfOther(message)) {
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
    const event = this.#attempts.isOfOther(message) ? 'other attempt' : 'done';
    perform(AT_COORDINATOR, event, this.#stateOf(offset), {
      'note, then wait': () => {
        if (this.#attempts.haveAllDone(message)) this.#waitAgain(offset);
      },
      'note, then end': () => {
        if (this.#attempts.haveAllDone(message)) this.#end(offset);
      },
    });
  }

  /** What another partition says of the schema. */
  found({ id, clock, hints }: FoundMessage): void {
    perform(AT_COORDINATOR, 'found', this.#stateOf(id.offset), {
      learn: () => {
        const waiting = must(this.#line.get(id.offset), 'it is in line');
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
    const waiting = newWaiting({
      holder: { id: idText(id), start },
      offset,
      document,
      hints: new HintsSoFar(),
      since: desk.elapsed,
      notBefore: desk.elapsed,
      refusal,
      attempts: 0,
    });
    if (!this.#try(waiting, true)) this.#line.push(waiting, desk.elapsed);
  }

  #lookAtAll(): void {
    this.#line.locks.clear();
    for (const [offset, { document }] of this.#attempts) {
      const begun = this.#table.begun.get(offset);
      if (begun?.phase === 'retrying') this.#line.keepPlace(begun.holder, document);
    }
    this.#line.keep((waiting) => !this.#turn(waiting), this.#desk.elapsed);
  }

  /** @returns whether the document is done or begun */
  #turn(waiting: Waiting): boolean {
    const event = this.#desk.elapsed - waiting.since >= WAIT_NANOS_MAX ? 'waited' : 'turn';
    const state = this.#table.begun.get(waiting.offset)?.phase ?? 'line';
    switch (cellOf(AT_COORDINATOR, event, state)) {
      case 'try':
        return this.#try(waiting, false);
      case 'reject':
        this.#reject(waiting.offset, waitedTooLong(WAIT_NANOS_MAX));
        return true;
    }
  }

  /** @returns whether the document is done or begun; else it waits, and what it will lock is noted */
  #try(waiting: Waiting, isFresh: boolean): boolean {
    try {
      const locks = this.#tryOrThrow(waiting, isFresh);
      if (locks === undefined) return true;
      this.#line.locks.add(waiting.holder, waiting.holder.id, locks);
      return false;
    } catch (error) {
      if (error instanceof NotLoaded) {
        // What was heard in this step shows what else is needed: the next one has it.
        this.#line.keepPlace(waiting.holder, waiting.document);
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
    waiting.isAsking = false;
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
      this.#askForHolders(waiting);
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
      this.#askForHolders(waiting);
      return rough;
    }
  }

  /** The same, of one whose turn it is. */
  #tryNow(waiting: Waiting, rough: readonly Lock[], isFresh: boolean): readonly Lock[] | undefined {
    const { document, holder } = waiting;
    const desk = this.#desk;
    const planned = this.#plan(waiting, holder.start);
    if (planned.kind === 'lookup') {
      this.#askForAttributes(waiting, planned.attributes);
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
    return this.#line.locks.blocks(id, locks) || this.#table.locks.blocks(id, locks);
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
    this.#attempts.forget(offset);
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
    const [takes, isDoubtful] = [own.takes, ids.size > 0];
    this.#attempts.start(offset, { document, hints, since, ids, takes, isDoubtful });
    this.#attempts.askAll(offset);
  }

  #notePromise(message: VoteMessage, { tx, needs }: Vote & { readonly kind: 'prepared' }): void {
    const { offset } = message.id;
    this.#attempts.notePromise(message, tx, needs);
    if (this.#attempts.of(offset).rejections.size === 0) this.#extend(offset, needs);
    this.#decideIfAll(offset);
  }

  #noteRejection(message: VoteMessage, error: PyralogError): void {
    this.#attempts.noteRejection(message, error);
    this.#decideIfAll(message.id.offset);
  }

  /** The attempt is over: nothing is locked while others are told (protocol 1.5.3). */
  #giveWay(offset: LogOffset, { clock, hints }: Vote & { readonly kind: 'retry' }): void {
    const { holder, attempt } = this.#attempts.begunOf(offset);
    const state = this.#attempts.of(offset);
    this.#desk.raise(clock);
    state.hints.add(decodeHints(hints));
    this.#desk.emit({ kind: 'retry', offset, attempt });
    this.#line.keepPlace(holder, state.document);
    this.#changed = true;
    this.#isReleased = true;
    this.#attempts.tellAll(offset);
  }

  /** Adds the parts that a vote has discovered. */
  #extend(offset: LogOffset, needs: readonly TransactionPart[]): void {
    for (const part of needs) {
      const begun = this.#attempts.begunOf(offset);
      if (begun.parts.has(partText(part)) || isSettled(begun, part, this.#desk.partition)) continue;
      this.#desk.emit({ kind: 'extend', offset, part });
      this.#attempts.ask(offset, part);
    }
  }

  #decideIfAll(offset: LogOffset): void {
    const begun = this.#attempts.begunOf(offset);
    const attempt = this.#attempts.of(offset);
    const { votes, rejections, document, ids, isDoubtful } = attempt;
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
    const taken = notGivenUp(begun, attempt, desk);
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
    const when = { attempt: begun.attempt, start: begun.holder.start, begun: begun.begunAt, tx };
    const effort = effortOf(when, desk.schema.mode);
    desk.emit({ kind: 'decided', offset, ...when, participants, facts });
    const contents = NO_CONTENTS;
    desk.tell(offset, { kind: 'committed', tx, facts, ids, participants, contents, effort });
    this.#changed = true;
    this.#isReleased = true;
    this.#attempts.tellAll(offset);
  }

  #refuse(offset: LogOffset, error: unknown): void {
    const { attempt } = this.#attempts.begunOf(offset);
    const rejection = rejectionOf(error);
    this.#desk.emit({ kind: 'refused', offset, attempt, rejection });
    this.#desk.tell(offset, { kind: 'rejected', rejection });
    this.#changed = true;
    this.#isReleased = true;
    this.#attempts.tellAll(offset);
  }

  #reject(offset: LogOffset, error: unknown): void {
    const rejection = rejectionOf(error);
    this.#desk.emit({ kind: 'rejected', offset, rejection });
    this.#desk.tell(offset, { kind: 'rejected', rejection });
    this.#attempts.forget(offset);
  }

  #end(offset: LogOffset): void {
    this.#desk.emit({ kind: 'end', offset });
    this.#attempts.forget(offset);
    this.#changed = true;
  }

  /** Back in line, as old as it was. */
  #waitAgain(offset: LogOffset): void {
    const { holder, attempt } = this.#attempts.begunOf(offset);
    const state = this.#attempts.of(offset);
    this.#table.waits(offset);
    const pause = BACKOFF_NANOS << BigInt(Math.min(attempt, BACKOFF_DOUBLINGS_MAX));
    const { elapsed: now } = this.#desk;
    this.#line.insert(
      newWaiting({
        holder,
        offset,
        document: state.document,
        hints: state.hints,
        since: state.since,
        notBefore: state.hints.isNew ? now : now + pause,
        refusal: undefined,
        attempts: attempt,
      }),
    );
    state.hints.isNew = false;
    this.#attempts.forget(offset);
    this.#changed = true;
  }

  #askForAttributes(waiting: Waiting, attributes: readonly string[]): void {
    if (this.#isToAsk(waiting)) this.#ask(waiting, SCHEMA_HOME, { attributes, claims: [] });
  }

  #askForHolders(waiting: Waiting): void {
    if (!this.#isToAsk(waiting)) return;
    for (const [home, claims] of waiting.doubts.unanswered)
      this.#ask(waiting, home, { attributes: [], claims });
  }

  /** Its turn ends for an answer. @returns whether that was not asked for just now */
  #isToAsk(waiting: Waiting): boolean {
    waiting.isAsking = true;
    const { askedAt } = waiting;
    return askedAt === undefined || this.#desk.elapsed - askedAt >= RESEND_NANOS;
  }

  #ask(
    waiting: Waiting,
    home: PartitionNo,
    question: Pick<LookupMessage, 'attributes' | 'claims'>,
  ): void {
    const { elapsed, partition } = this.#desk;
    waiting.askedAt = elapsed;
    const id = { coordinator: partition, offset: waiting.offset };
    this.#desk.send(home, { kind: 'lookup', id, ...question });
  }

  #stateOf(offset: LogOffset): CoordinatorState {
    const begun = this.#table.begun.get(offset);
    if (begun !== undefined) return begun.phase;
    return this.#line.get(offset) !== undefined ? 'line' : 'none';
  }
}

/** Without the document's own entity and those that begin with it. @param tx as the transaction is called until it has its own */
function keyOf({ id, contentHash }: TransactionDocument, tx: Tx): Key | undefined {
  return id === undefined ? undefined : { id, contentHash, entity: txEntity(tx) };
}
