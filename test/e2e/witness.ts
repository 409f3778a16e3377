import { expect } from 'vitest';
import type { Random } from './random.ts';
import { PAIRS, type Rule } from './rules.ts';

/** A fact as answers have it. */
export interface JsonFact {
  readonly entity: string;
  readonly attribute: string;
  readonly value: unknown;
  readonly tx: string;
  readonly operation: 'assert' | 'retract';
}

/** What a commit is answered with, and a transaction in the feed. */
export interface Committed {
  readonly tx: string;
  readonly facts: readonly JsonFact[];
}

interface Seen extends Committed {
  /** The feed's, behind this transaction. */
  readonly offset: string;
}

/** All facts in force of an attribute, or of all, as they were told at a basis. */
interface Told {
  readonly attribute: string | undefined;
  readonly basis: bigint;
  readonly facts: readonly JsonFact[];
}

/** Refused for a time only: a read that waits for what nobody can say at the moment. */
export class NotAnswered extends Error {}

function checkAnswered({ status }: Response, what: string): void {
  if (status === 503 || status === 504) throw new NotAnswered(`${what}: ${status}`);
  expect(status, what).toBe(200);
}

/** What a {@link Witness} goes by. */
export interface WitnessOptions {
  readonly rules?: readonly Rule[];
  /** With several, what was acknowledged may be above the time that all of them have closed. */
  readonly partitions?: number;
}

/** The fact by which a transaction without an idempotency key is known again. */
export const NAME_META = 'op';

/** Most transactions of the feed that are read again from one place in its middle. */
const REREAD_MAX = 300;

/**
 * Remembers what a database was told and what it promised, and compares that with what it tells: every
 * acknowledged transaction is in the feed (I1) as it was promised, none twice (I8), none that was refused,
 * tx rises (I3), and every answer, of now and of the past, equals a naive fold of the feed (I5). What was told
 * while others wrote is compared as soon as the feed is there.
 */
export class Witness {
  readonly #path: string;
  readonly #rules: readonly Rule[];
  readonly #partitions: number;
  readonly #promised = new Map<string, string>();
  readonly #refused = new Set<string>();
  /** What was acknowledged since the feed was followed last, with its facts. */
  readonly #unchecked = new Map<string, readonly string[]>();
  readonly #txOfKey = new Map<string, string>();
  readonly #seen: Seen[] = [];
  /** Facts by entity, and by attribute, oldest first. */
  readonly #historyOf = new Map<string, JsonFact[]>();
  readonly #factsOf = new Map<string, JsonFact[]>();
  /** Facts in force by a naive fold of the feed. */
  readonly #state = new Map<string, JsonFact>();
  /** The same by attribute. */
  readonly #inForce = new Map<string, Map<string, JsonFact>>();
  /** Oldest basis first, when the feed is followed. */
  #told: Told[] = [];
  /** What a feed has said that was read while others wrote. */
  #overheard: Seen[] = [];
  #overheardOffset = '-1';
  #keys = 0;
  #offset = '-1';
  #lastTx = 0n;
  #lastPromised = 0n;

  constructor(database = 'main', { rules = [PAIRS], partitions = 1 }: WitnessOptions = {}) {
    this.#path = `/v1/${database}`;
    this.#rules = rules;
    this.#partitions = partitions;
  }

  /** Transactions that were refused. */
  get refused(): number {
    return this.#refused.size;
  }

  get acknowledged(): number {
    return this.#promised.size;
  }

  /** Transactions in the feed. */
  get seen(): number {
    return this.#seen.length;
  }

  /** An entity that the newest transaction in the feed gave a value. */
  get newestEntity(): string {
    return this.#factsOf.get('pair/value')?.at(-1)?.entity ?? '';
  }

  /** The tx that a key was committed with, by the feed as far as it was followed. */
  txOf(key: string): string | undefined {
    return this.#txOfKey.get(key);
  }

  /** The newest transaction in the feed. */
  get lastTx(): string {
    return this.#lastTx.toString();
  }

  /** Entities that have facts in force. */
  get entities(): readonly string[] {
    return [...new Set([...this.#state.values()].map(({ entity }) => entity))];
  }

  /** Entities that have, or had, facts. */
  get everWritten(): Iterable<string> {
    return this.#historyOf.keys();
  }

  /** The newest transaction that has a fact of an entity. */
  newestOf(entity: string): string | undefined {
    return this.#historyOf.get(entity)?.at(-1)?.tx;
  }

  /** A key that was not used before. */
  nextKey(): string {
    return `k${this.#keys++}`;
  }

  /** The tx with which a key was acknowledged. */
  promisedTx(key: string): string | undefined {
    return this.#promised.get(key);
  }

  acknowledge(key: string, { tx, facts }: Committed): void {
    this.#promised.set(key, tx);
    if (BigInt(tx) > this.#lastPromised) this.#lastPromised = BigInt(tx);
    const seen = this.#txOfKey.get(key);
    if (seen !== undefined) expect(tx, `${key} is the transaction that the feed has`).toBe(seen);
    else this.#unchecked.set(key, facts.map(show));
  }

  /** It was said that this was not committed, so it must not be. */
  refuse(key: string): void {
    this.#refused.add(key);
  }

  /** A key that was refused is sent again. */
  retry(key: string): void {
    this.#refused.delete(key);
  }

  /** Reads all facts of an attribute that are in force now, while others write. */
  async look(url: string, attribute: string): Promise<Told> {
    const told = await this.#tell(url, attribute);
    for (const rule of this.#rules) rule.check(attribute, told.facts);
    return told;
  }

  /** Reads the feed while others write, from where this has come to: what it says is what it says later too (I10). */
  async overhear(url: string): Promise<void> {
    for await (const event of feed(`${url}${this.#path}`, this.#overheardOffset)) {
      this.#overheardOffset = event.offset;
      if (event.facts !== undefined) this.#overheard.push(event as Seen);
    }
  }

  /** Follows the feed from where it was: what was promised is there. */
  async check(url: string): Promise<void> {
    if (this.#partitions > 1) await this.#awaitHeard(url);
    await this.#followFeed(url);
    expect(this.#overheard.splice(0), 'I10: what a feed said is in the log').toEqual([]);
    expect(this.#told.splice(0), 'what was told is closed').toEqual([]);
    for (const key of this.#unchecked.keys())
      expect(this.#txOfKey.get(key), `I1: acknowledged ${key} is in the log`).toBe(
        this.#promised.get(key),
      );
    this.#unchecked.clear();
  }

  /** Compares what somebody else has told of all transactions with the feed. */
  checkTransactions(told: readonly Committed[]): void {
    const shown = (transactions: readonly Committed[]): unknown[] =>
      transactions.map(({ tx, facts }) => [tx, facts.map(show)]);
    expect(shown(told)).toEqual(shown(this.#seen));
  }

  /** As {@link check}, and compares everything that is in force. */
  async checkAll(url: string): Promise<void> {
    if (this.#partitions > 1) await this.#awaitHeard(url);
    await this.#tell(url, undefined);
    await this.check(url);
  }

  /** Compares answers as of moments, histories, and the feed from its middle, by chance. */
  async checkPast(url: string, random: Random): Promise<void> {
    if (this.#seen.length === 0) return;
    const entities = [...this.#historyOf.keys()];
    const now = this.#seen.at(-1) as Seen;
    for (const { tx } of [now, random.pick(this.#seen), random.pick(this.#seen)]) {
      for (let j = 0; j < 4; j++) await this.#checkEntity(url, random.pick(entities), tx);
      for (const { attributes } of this.#rules)
        for (const attribute of attributes) await this.#checkAttribute(url, attribute, tx);
    }
    for (let i = 0; i < 3; i++) await this.#checkHistory(url, random.pick(entities));
    await this.#checkResumed(url, random);
  }

  async #checkEntity(url: string, entity: string, tx: string): Promise<void> {
    const { facts } = await this.#pages(
      `${url}${this.#path}/state?index=eavt&entity=${encodeURIComponent(entity)}&asOf=${tx}`,
    );
    expect(facts.map(show), `I5: ${entity} as of ${tx}`).toEqual(
      folded((this.#historyOf.get(entity) ?? []).filter(notAfter(tx))).map(show),
    );
  }

  async #checkAttribute(url: string, attribute: string, tx: string): Promise<void> {
    const { facts } = await this.#pages(
      `${url}${this.#path}/state?index=aevt&attribute=${encodeURIComponent(attribute)}&asOf=${tx}`,
    );
    expect(facts.map(show), `I5: ${attribute} as of ${tx}`).toEqual(
      folded((this.#factsOf.get(attribute) ?? []).filter(notAfter(tx))).map(show),
    );
    for (const rule of this.#rules) rule.check(attribute, facts);
  }

  async #checkHistory(url: string, entity: string): Promise<void> {
    // Of several partitions one may be decided since that the server died in the middle of.
    const moment = this.#partitions > 1 ? `&asOf=${this.#lastTx}` : '';
    const { facts } = await this.#pages(
      `${url}${this.#path}/entities/${encodeURIComponent(entity)}/history?limit=50${moment}`,
    );
    expect(facts.map(show).sort(), `history of ${entity}`).toEqual(
      (this.#historyOf.get(entity) ?? []).map(show).sort(),
    );
    const txs = facts.map(({ tx }) => BigInt(tx));
    expect(txs, `history of ${entity}, oldest first`).toEqual(
      txs.toSorted((a, b) => Number(a - b)),
    );
  }

  /** I10: a feed from anywhere equals the unbroken one. */
  async #checkResumed(url: string, random: Random): Promise<void> {
    const at = random.below(this.#seen.length);
    const { offset, tx } = this.#seen[at] as Seen;
    const from = random.below(2) === 0 ? offset : `tx:${tx}`;
    const events: Seen[] = [];
    for await (const event of feed(`${url}${this.#path}`, from)) {
      if (event.facts === undefined) continue;
      // As above.
      if (this.#partitions > 1 && BigInt(event.tx) > this.#lastTx) break;
      events.push(event as Seen);
      if (events.length === REREAD_MAX) break;
    }
    const expected = this.#seen.slice(at + 1, at + 1 + REREAD_MAX);
    expect(
      events.map(({ tx: of, facts }) => [of, facts.map(show)]),
      `I10: the feed from ${from}`,
    ).toEqual(expected.map(({ tx: of, facts }) => [of, facts.map(show)]));
  }

  async #followFeed(url: string): Promise<void> {
    this.#told.sort((a, b) => (a.basis < b.basis ? -1 : 1));
    let complete = false;
    for await (const event of feed(`${url}${this.#path}`, this.#offset)) {
      complete = event.facts === undefined;
      this.#offset = event.offset;
      if (event.facts !== undefined) this.#fold(event as Seen);
      else this.#compareTold(BigInt(event.tx));
    }
    expect(complete, 'a feed up to now ends with progress').toBe(true);
    this.#overheardOffset = this.#offset;
  }

  /** Compares what was told up to a moment with the fold, which is there and not further. */
  #compareTold(upTo: bigint): void {
    for (let told = this.#told[0]; told !== undefined && told.basis <= upTo; told = this.#told[0]) {
      const { attribute, basis, facts } = told;
      const inForce = attribute === undefined ? this.#state : this.#inForce.get(attribute);
      expect(facts.map(show), `I5: ${attribute ?? 'state'}, told at ${basis}`).toEqual(
        [...(inForce ?? new Map<string, JsonFact>()).values()].map(show).sort(compareBytes),
      );
      this.#told.shift();
    }
  }

  #fold(transaction: Seen): void {
    const tx = BigInt(transaction.tx);
    expect(tx > this.#lastTx, 'I3: tx rises').toBe(true);
    this.#compareTold(tx - 1n);
    this.#lastTx = tx;
    this.#seen.push(transaction);
    const heard = this.#overheard.shift();
    if (heard !== undefined)
      expect([heard.tx, heard.facts.map(show)], 'I10: a feed beside writers').toEqual([
        transaction.tx,
        transaction.facts.map(show),
      ]);
    for (const fact of transaction.facts) {
      const key = keyOf(fact);
      const ofAttribute = this.#inForce.get(fact.attribute) ?? new Map<string, JsonFact>();
      this.#inForce.set(fact.attribute, ofAttribute);
      if (fact.operation === 'assert') {
        expect(this.#state.has(key), `asserted twice: ${key}`).toBe(false);
        this.#state.set(key, fact);
        ofAttribute.set(key, fact);
      } else {
        expect(this.#state.delete(key), `retracted but not in force: ${key}`).toBe(true);
        ofAttribute.delete(key);
      }
      push(this.#historyOf, fact.entity, fact);
      push(this.#factsOf, fact.attribute, fact);
    }
    const name = nameOf(transaction);
    if (name !== undefined) this.#foldKey(name, transaction);
    for (const rule of this.#rules) rule.fold(transaction.facts);
  }

  #foldKey(key: string, transaction: Seen): void {
    expect(this.#txOfKey.has(key), `I8: ${key} is in the log once`).toBe(false);
    expect(this.#refused.has(key), `${key} was refused and is in the log`).toBe(false);
    this.#txOfKey.set(key, transaction.tx);
    const promised = this.#unchecked.get(key);
    if (promised === undefined) return;
    expect(transaction.tx).toBe(this.#promised.get(key));
    expect(transaction.facts.map(show)).toEqual(promised);
  }

  /** What is in force now, to be compared when the feed is there. */
  async #tell(url: string, attribute: string | undefined): Promise<Told> {
    const what =
      attribute === undefined ? 'eavt' : `aevt&attribute=${encodeURIComponent(attribute)}`;
    const { basis, facts } = await this.#pages(
      `${url}${this.#path}/state?index=${what}&limit=10000`,
    );
    const told = { attribute, basis: BigInt(basis), facts };
    this.#told.push(told);
    return told;
  }

  /** Resolves when all partitions have closed what anybody was told of. */
  async #awaitHeard(url: string): Promise<void> {
    const heard = [
      this.#lastPromised,
      ...this.#told.map(({ basis }) => basis),
      ...this.#overheard.map(({ tx }) => BigInt(tx)),
    ].reduce((a, b) => (a > b ? a : b));
    const what = `index=aevt&attribute=none&await=${heard}&timeout=30s`;
    await this.#pages(`${url}${this.#path}/state?${what}`);
  }

  async #pages(address: string): Promise<{ readonly basis: string; readonly facts: JsonFact[] }> {
    const facts: JsonFact[] = [];
    for (let cursor: string | undefined; ;) {
      const response = await fetch(cursor === undefined ? address : `${address}&cursor=${cursor}`);
      checkAnswered(response, address);
      const page = (await response.json()) as Page;
      facts.push(...page.facts);
      if (page.next === undefined || page.next === null) return { basis: page.basis, facts };
      cursor = page.next;
    }
  }
}

interface Page {
  readonly basis: string;
  readonly facts: readonly JsonFact[];
  readonly next?: string | null;
}

interface FeedLine {
  readonly offset: string;
  readonly tx: string;
  readonly facts?: readonly JsonFact[];
}

/** Lines of a feed up to now, as they come. */
async function* feed(base: string, offset: string): AsyncGenerator<FeedLine> {
  const address = `${base}/feed?offset=${encodeURIComponent(offset)}`;
  const response = await fetch(address);
  checkAnswered(response, address);
  let rest = '';
  for await (const text of (response.body as ReadableStream<Uint8Array>).pipeThrough(
    new TextDecoderStream(),
  )) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as FeedLine;
  }
  expect(rest).toBe('');
}

function folded(history: readonly JsonFact[]): JsonFact[] {
  const state = new Map<string, JsonFact>();
  for (const fact of history) {
    if (fact.operation === 'assert') state.set(keyOf(fact), fact);
    else state.delete(keyOf(fact));
  }
  return [...state.values()].sort((a, b) => compareBytes(show(a), show(b)));
}

/** By which a transaction is known again: its idempotency key, or what its writer called it. */
function nameOf({ facts }: Committed): string | undefined {
  const named = (attribute: string): string | undefined =>
    facts.find((fact) => fact.attribute === attribute)?.value as string | undefined;
  return named('tx/key') ?? named(`tx/${NAME_META}`);
}

function push(lists: Map<string, JsonFact[]>, key: string, fact: JsonFact): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [fact]);
  else list.push(fact);
}

const notAfter =
  (tx: string) =>
  (fact: JsonFact): boolean =>
    BigInt(fact.tx) <= BigInt(tx);

const keyOf = ({ entity, attribute, value }: JsonFact): string =>
  JSON.stringify([entity, attribute, value]);

const show = (fact: JsonFact): string =>
  `${fact.entity}\u0000${fact.attribute}\u0000${JSON.stringify(fact.value)} ${fact.tx} ${fact.operation}`;

const compareBytes = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));
