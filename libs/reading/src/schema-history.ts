import { type SearchKey, searchKey } from '@pyralog/format';
import { type IndexView, type Page, type Read, scan } from '@pyralog/indexing';
import {
  BUILT_IN,
  DB_NAMESPACE,
  type StoredFact,
  foldSchema,
  type Schema,
  TX_NONE,
  type Tx,
} from '@pyralog/model';

/** Facts read at a time. */
const PAGE = 10_000;
/** Folded schemas that are kept. */
const KEPT_MAX = 64;

/**
 * The schema at any moment of the past. Its facts are few, so they are read once, in the order of the log,
 * and folded up to the moment that is asked for; a moment between two changes has the schema of another.
 */
export class SchemaHistory {
  readonly #created: Schema;
  /** Every schema fact up to `upTo`, oldest first. */
  #facts: readonly StoredFact[] = [];
  #upTo: Tx = TX_NONE;
  /** By number of facts that went into it, least recently used first. */
  readonly #folded = new Map<number, Schema>();

  /** @param created what holds before the first fact */
  constructor(created: Schema) {
    this.#created = created;
  }

  /**
   * The schema as of a moment.
   * @param closed nothing at or below it will be added, and all of it is in the view
   */
  *at(basis: Tx, view: IndexView, closed: Tx): Read<Schema> {
    if (basis > this.#upTo) {
      const facts = yield* schemaFacts(view, closed);
      if (closed > this.#upTo) {
        this.#facts = facts;
        this.#upTo = closed;
      }
    }
    const count = countUpTo(this.#facts, basis);
    const known = this.#folded.get(count);
    const schema = known ?? foldSchema(this.#created, this.#facts.slice(0, count));
    this.#folded.delete(count);
    this.#folded.set(count, schema);
    for (const [oldest] of this.#folded) {
      if (this.#folded.size <= KEPT_MAX) break;
      this.#folded.delete(oldest);
    }
    return schema;
  }
}

/** Facts with a tx at or below the basis; they rise. */
function countUpTo(facts: readonly StoredFact[], basis: Tx): number {
  let low = 0;
  let high = facts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((facts[middle] as StoredFact).tx <= basis) low = middle + 1;
    else high = middle;
  }
  return low;
}

function* schemaFacts(view: IndexView, basis: Tx): Read<readonly StoredFact[]> {
  const facts: StoredFact[] = [];
  for (const attribute of BUILT_IN.keys()) {
    if (!attribute.startsWith(DB_NAMESPACE)) continue;
    let after: SearchKey | undefined;
    do {
      const page: Page = yield* scan(
        view,
        'aevt',
        { attribute },
        { basis, mode: 'facts', after, limit: PAGE },
      );
      facts.push(...page.facts);
      const last = page.more ? page.facts.at(-1) : undefined;
      after = last === undefined ? undefined : searchKey('aevt', last);
    } while (after !== undefined);
  }
  return facts.sort((a, b) => (a.tx < b.tx ? -1 : a.tx > b.tx ? 1 : 0));
}
