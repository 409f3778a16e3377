import type { FactsPage, PageOptions } from '@pyralog/client';
import { printFact } from '@pyralog/client';
import {
  type Fact,
  type IndexOrder,
  inputValue,
  isPyralogError,
  parseJson,
  refValue,
  stringValue,
  type Value,
} from '@pyralog/model';
import { note, out } from './print.ts';

/** How much of a list is wanted. */
export interface Limited {
  readonly json?: boolean | undefined;
  /** A number, or `all`. */
  readonly limit?: string | undefined;
  readonly cursor?: string | undefined;
}

/** Rows of a table unless told otherwise; programs (--json) get all. */
const TABLE_ROWS = 100;
const PAGE_ROWS_MAX = 10_000;

function rowsWanted({ json, limit }: Limited): number {
  if (limit === undefined) return json === true ? Number.POSITIVE_INFINITY : TABLE_ROWS;
  return limit === 'all' ? Number.POSITIVE_INFINITY : Number(limit);
}

/** Pages until so many rows were asked for, all at the basis of the first. */
export async function* pagesOf<Page extends { readonly next: string | undefined }>(
  options: Limited,
  ask: (page: PageOptions) => Promise<Page>,
  rowsOf: (page: Page) => number,
): AsyncGenerator<Page> {
  let left = rowsWanted(options);
  let { cursor } = options;
  do {
    const page = await ask({ limit: Math.min(left, PAGE_ROWS_MAX), cursor });
    yield page;
    left -= rowsOf(page);
    cursor = page.next;
  } while (cursor !== undefined && left > 0);
}

/** Writes pages as one JSON object in the shape of the HTTP door, page by page. */
export async function writeJson(pages: AsyncIterable<FactsPage>, entity?: string): Promise<void> {
  let next: string | undefined;
  let first = true;
  for await (const page of pages) {
    if (first)
      out(
        `{${entity === undefined ? '' : `"entity":${JSON.stringify(entity)},`}"basis":"${page.basis}","facts":[`,
      );
    out(page.facts.map((fact, i) => `${first && i === 0 ? '' : ',\n'}${printFact(fact)}`).join(''));
    first = first && page.facts.length === 0;
    next = page.next;
  }
  out(`],"next":${next === undefined ? 'null' : JSON.stringify(next)}}\n`);
}

/** The facts of pages, and where they go on. */
export async function gather(
  pages: AsyncIterable<FactsPage>,
): Promise<{ readonly facts: readonly Fact[]; readonly next: string | undefined }> {
  const facts: Fact[] = [];
  let next: string | undefined;
  for await (const page of pages) {
    for (const fact of page.facts) facts.push(fact);
    next = page.next;
  }
  return { facts, next };
}

export function noteMore(next: string | undefined): void {
  if (next !== undefined)
    note(`There is more: --limit N or --limit all shows it, --cursor ${next} goes on from here.`);
}

/**
 * A value given on the command line: JSON as in a document (`5`, `true`, `{"instant":"…"}`), and text where it is none.
 * The index of refs has nothing but refs.
 */
export function valueOf(text: string | undefined, index: IndexOrder): Value | undefined {
  if (text === undefined) return undefined;
  const value = readValue(text);
  return index === 'vaet' && value.type === 'string' ? refValue(value.value) : value;
}

function readValue(text: string): Value {
  try {
    return inputValue(parseJson(text)).value;
  } catch (error) {
    if (isPyralogError(error) && error.code === 'json-malformed') return stringValue(text);
    throw error;
  }
}
