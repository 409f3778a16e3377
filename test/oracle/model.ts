import type { CommitResult } from '@pyralog/client';
import {
  type Fact,
  parseDocument,
  prefixOfTemporaryId,
  type PyralogError,
  type TransactionDocument,
  type Tx,
  TX_LAST,
  txEntity,
} from '@pyralog/model';
import { Fold } from './fold.ts';
import { applied, type Before, type Meaning, meaningOf, textOf } from './rules.ts';
import { type Definitions, definitionsOf, type Settings } from './rules-attributes.ts';

/** A transaction with an idempotency key, as it was sent. */
interface Keyed {
  readonly text: string;
  readonly hash: string;
  readonly result: Pick<CommitResult, 'tx' | 'facts' | 'ids'>;
}

/** What a database may do with a document. */
export type Judgement = Meaning | { readonly kind: 'duplicate'; readonly first: Keyed };

/** Made for a document that is not committed, so that it can be judged. */
const IMAGINED: Tx = TX_LAST;

/**
 * A database as a list of facts. It is told what the product committed, one transaction after the other, and says what
 * each had to be.
 */
export class Model implements Before {
  readonly settings: Settings;
  readonly fold = new Fold();
  /** By tx. */
  readonly transactions: { readonly tx: Tx; readonly facts: readonly Fact[] }[] = [];
  readonly keyed = new Map<string, Keyed>();
  /** Entities that were made of temporary ids, in the order of the log. */
  readonly made: string[] = [];
  inForce: readonly Fact[] = [];

  constructor(settings: Settings) {
    this.settings = settings;
  }

  get log(): readonly Fact[] {
    return this.fold.facts;
  }

  /** @param result what the product says it has become; undefined: nothing is known */
  judge(document: TransactionDocument, result?: Pick<CommitResult, 'tx' | 'ids'>): Judgement {
    const { id, contentHash } = document;
    const first = id === undefined ? undefined : this.keyed.get(id);
    if (first?.hash === contentHash) return { kind: 'duplicate', first };
    return meaningOf(document, this, {
      tx: result?.tx ?? IMAGINED,
      mint: ([name = ''], ordinal) => result?.ids.get(name) ?? `imagined:${ordinal}`,
    });
  }

  /** Whether a key is another document's. */
  isReused({ id, contentHash }: TransactionDocument): boolean {
    const first = id === undefined ? undefined : this.keyed.get(id);
    return first !== undefined && first.hash !== contentHash;
  }

  /** Codes for which the product may refuse a document now. */
  refusalsOf(document: TransactionDocument): ReadonlySet<string> {
    if (this.isReused(document)) return new Set(['key-reused']);
    const judged = this.judge(document);
    return new Set(
      judged.kind === 'refused' ? judged.reasons.map(({ code }: PyralogError) => code) : [],
    );
  }

  /**
   * Takes what was committed, once it is what it had to be.
   * @returns what is wrong with it; undefined: nothing
   */
  take(text: string, result: CommitResult): string | undefined {
    const document = parseDocument(text);
    const judged = this.isReused(document)
      ? ({ kind: 'refused', reasons: [] } as const)
      : this.judge(document, result);
    if (judged.kind === 'refused')
      return `committed, but ${judged.reasons.map(String).join('; ') || 'its key was used'}`;
    const { tx, facts, ids, duplicate } = result;
    const expected = judged.kind === 'duplicate' ? judged.first.result : { ...judged, tx };
    const differences = [
      duplicate === (judged.kind === 'duplicate') ? '' : `duplicate: ${duplicate}`,
      tx === expected.tx ? '' : `tx ${tx} for ${expected.tx}`,
      difference(expected.facts, facts),
      sameIds(expected.ids, ids) ? '' : `ids ${show(ids)} for ${show(expected.ids)}`,
    ];
    const wrong = differences.filter((each) => each !== '').join('; ');
    if (wrong !== '') return wrong;
    if (judged.kind === 'duplicate') return undefined;
    if (this.transactions.some((other) => other.tx === tx)) return `tx ${tx} was given before`;
    const misnamed = this.#misnamed(ids);
    if (misnamed !== undefined) return misnamed;
    this.fold.add(facts);
    this.inForce = applied(this.inForce, facts);
    this.transactions.push({ tx, facts });
    this.transactions.sort((a, b) => (a.tx < b.tx ? -1 : 1));
    if (document.id !== undefined)
      this.keyed.set(document.id, { text, hash: document.contentHash, result });
    return undefined;
  }

  definitionsAt(basis: Tx): Definitions {
    return definitionsOf(this.fold.stateAt(basis), this.settings);
  }

  /** A copy that can be told something else. */
  copy(): Model {
    const copy = new Model(this.settings);
    copy.fold.add(this.fold.facts);
    copy.transactions.push(...this.transactions);
    for (const [key, keyed] of this.keyed) copy.keyed.set(key, keyed);
    copy.made.push(...this.made);
    copy.inForce = this.inForce;
    return copy;
  }

  /** New entities are new, begin as they were to, and are told apart. */
  #misnamed(ids: ReadonlyMap<string, string>): string | undefined {
    const known = new Set(
      this.log.flatMap(({ entity, value }) =>
        value.type === 'ref' ? [entity, value.value] : [entity],
      ),
    );
    const made = new Map<string, string[]>();
    for (const [id, entity] of ids)
      if (!known.has(entity)) made.set(entity, [...(made.get(entity) ?? []), id]);
    for (const [entity, names] of made) {
      const prefixes = names.map((id) => prefixOfTemporaryId(id));
      if (!prefixes.some((prefix) => prefix === undefined || entity.startsWith(`${prefix}:`)))
        return `${names.join()} became ${entity}`;
    }
    this.made.push(...made.keys());
    return undefined;
  }
}

/** A fact without its tx. Over partitions a transaction that makes entities says when it began: `tx/start` is its own affair. */
function lines(facts: readonly Fact[]): string[] {
  return facts
    .filter(({ attribute }) => attribute !== 'tx/start')
    .map(({ entity, attribute, value, tx, operation }) => {
      const name = entity === txEntity(tx) ? 'tx' : entity;
      return `${operation} ${name} ${attribute} ${textOf(value)}`;
    });
}

function difference(expected: readonly Fact[], facts: readonly Fact[]): string {
  const [wanted, given] = [lines(expected), lines(facts)];
  const missing = wanted.filter((line) => !given.includes(line));
  const more = given.filter((line, i) => !wanted.includes(line) || given.indexOf(line) !== i);
  return [
    ...missing.map((line) => `missing: ${line}`),
    ...more.map((line) => `more: ${line}`),
  ].join('; ');
}

function sameIds(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([id, entity]) => b.get(id) === entity);
}

function show(ids: ReadonlyMap<string, string>): string {
  return JSON.stringify(Object.fromEntries(ids));
}
