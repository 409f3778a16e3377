import { factKey, readSearchKey, type SearchKey, searchKey } from '@pyralog/format';
import {
  diff,
  type DiffResult,
  type IndexView,
  type Page,
  scan,
  type ScanBounds,
  type ScanOptions,
} from '@pyralog/indexing';
import {
  compareFacts,
  type IndexOrder,
  isVisible,
  type StoredFact,
  type Tx,
  TX_LAST,
} from '@pyralog/model';
import type { PartitionReader } from './partition-reader.ts';

/** A page of a scan, of what answers have. @param readers of one database; @param optionsOf with one limit */
export async function scanPage(
  readers: readonly PartitionReader[],
  index: IndexOrder,
  bounds: ScanBounds,
  optionsOf: (reader: PartitionReader) => ScanOptions,
): Promise<Page> {
  const [first] = readers;
  if (first === undefined) return { facts: [], more: false };
  if (first.info.partitions === 1)
    return first.run(scan(first.view(), index, bounds, optionsOf(first)));
  const { limit } = optionsOf(first);
  // Of each a little more than its share; where that was too little, it is asked again.
  const share = Math.min(limit, Math.ceil(limit / readers.length) + SPARE);
  const sources = readers.map(
    (reader) => new ScanSource(reader, index, bounds, { ...optionsOf(reader), limit: share }),
  );
  const facts: StoredFact[] = [];
  for (;;) {
    if (sources.some(({ isDry }) => isDry))
      await Promise.all(sources.map((source) => source.fill()));
    let next: ScanSource | undefined;
    let fact: StoredFact | undefined;
    for (const source of sources) {
      const { head } = source;
      if (head === undefined) continue;
      if (fact === undefined || compareFacts(index, head, fact) < 0) [next, fact] = [source, head];
    }
    if (next === undefined || fact === undefined) return { facts, more: false };
    if (facts.length === limit) return { facts, more: true };
    facts.push(fact);
    next.take();
  }
}

/** Rows beyond its share that a partition is asked for at once. */
const SPARE = 16;

/** What one partition has of a scan, page by page. */
class ScanSource {
  readonly #reader: PartitionReader;
  readonly #view: IndexView;
  readonly #index: IndexOrder;
  readonly #bounds: ScanBounds;
  readonly #options: ScanOptions;
  #after: SearchKey | undefined;
  #facts: readonly StoredFact[] = [];
  #at = 0;
  #more = true;

  constructor(
    reader: PartitionReader,
    index: IndexOrder,
    bounds: ScanBounds,
    options: ScanOptions,
  ) {
    this.#reader = reader;
    this.#view = reader.view();
    this.#index = index;
    this.#bounds = bounds;
    this.#options = options;
    this.#after = options.after;
  }

  /** What comes next; undefined where there is nothing, or it has to be filled. */
  get head(): StoredFact | undefined {
    return this.#facts[this.#at];
  }

  /** Whether all that was read is taken, and there may be more. */
  get isDry(): boolean {
    return this.#more && this.#at === this.#facts.length;
  }

  take(): void {
    this.#at++;
  }

  /** Reads on where it is dry. */
  async fill(): Promise<void> {
    while (this.isDry) {
      const options = { ...this.#options, after: this.#after };
      const page = await this.#reader.run(scan(this.#view, this.#index, this.#bounds, options));
      const last = page.facts.at(-1);
      this.#more = page.more && last !== undefined;
      if (last !== undefined) this.#after = searchKey(this.#index, last);
      const { partition } = this.#reader.index;
      this.#facts = page.facts.filter(({ entity }) => isVisible(entity, partition));
      this.#at = 0;
    }
  }
}

/** A page of a difference, of what answers have. */
export async function diffPage(
  readers: readonly PartitionReader[],
  from: Tx,
  to: Tx,
  options: { readonly after: SearchKey | undefined; readonly limit: number },
): Promise<DiffResult> {
  const [only] = readers;
  if (only !== undefined && only.info.partitions === 1)
    return only.run(diff(only.view(), from, to, options));
  const pages = await Promise.all(
    readers.map(async (reader) => {
      const page = await reader.run(diff(reader.view(), from, to, options));
      const { partition } = reader.index;
      const isSeen = ({ entity }: StoredFact): boolean => isVisible(entity, partition);
      return { ...page, added: page.added.filter(isSeen), removed: page.removed.filter(isSeen) };
    }),
  );
  const all = pages
    .flatMap(({ added, removed }) => [...added, ...removed])
    .sort((a, b) => compareFacts('eavt', a, b));
  // Behind where a page of a partition ends it may have more.
  let end: Uint8Array | undefined;
  for (const { next } of pages)
    if (next !== undefined && (end === undefined || Buffer.compare(next, end) < 0)) end = next;
  const last = all[options.limit - 1];
  if (last !== undefined && all.length > options.limit) {
    const cut = factKey('eavt', { ...last, tx: TX_LAST });
    if (end === undefined || Buffer.compare(cut, end) < 0) end = cut;
  }
  if (end === undefined) return joinedDiff(pages, () => true, undefined);
  const bound = end;
  const isWithin = (fact: StoredFact): boolean => Buffer.compare(factKey('eavt', fact), bound) <= 0;
  return joinedDiff(pages, isWithin, bound);
}

function joinedDiff(
  pages: readonly DiffResult[],
  isWithin: (fact: StoredFact) => boolean,
  next: Uint8Array | undefined,
): DiffResult {
  const inOrder = (facts: StoredFact[]): readonly StoredFact[] =>
    facts.filter(isWithin).sort((a, b) => compareFacts('eavt', a, b));
  return {
    added: inOrder(pages.flatMap(({ added }) => added)),
    removed: inOrder(pages.flatMap(({ removed }) => removed)),
    next,
  };
}

/** As a cursor has it. */
export function afterKey(order: IndexOrder, after: Uint8Array | undefined): SearchKey | undefined {
  return after === undefined ? undefined : readSearchKey(order, after);
}
