import { compareUtf8 } from '@pyralog/base';
import {
  type Database,
  type DiffPage,
  type FactsPage,
  type FactsQuery,
  printDiff,
  printEntity,
  printSchema,
  type TransactionInfo,
} from '@pyralog/client';
import { BUILT_IN, type Fact, formatNanos, parseAsOf, type Tx } from '@pyralog/model';
import { asOf, EXIT, type GlobalOptions, withDatabase } from './context.ts';
import { gather, type Limited, noteMore, pagesOf, valueOf, writeJson } from './paging.ts';
import {
  colours,
  counted,
  factTable,
  harmless,
  line,
  moment,
  note,
  out,
  shown,
  sign,
  table,
} from './print.ts';

type ListOptions = GlobalOptions & Limited;

const rowsOf = ({ facts }: FactsPage): number => facts.length;

export async function entity(id: string, options: GlobalOptions): Promise<number> {
  return withDatabase(options, async (database) => {
    const answer = await database.entity(id, { asOf: asOf(options) });
    if (options.json === true) line(printEntity(answer));
    else if (answer.attributes.size > 0) {
      const rows = [...answer.attributes].flatMap(([name, { values }]) =>
        values.map((value, i) => [i === 0 ? harmless(name) : '', shown(value)]),
      );
      line(colours.bold(harmless(id)));
      out(table(['attribute', 'value'], rows));
      note(`As of ${moment(answer.basis)} (tx ${answer.basis}).`);
    } else note(`${harmless(id)} has no fact in force as of ${moment(answer.basis)}.`);
    return answer.attributes.size > 0 ? EXIT.ok : EXIT.refused;
  });
}

export interface HistoryOptions extends ListOptions {
  readonly attribute?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Facts grouped by transaction, each with its author and reason. */
export async function history(id: string, options: HistoryOptions): Promise<void> {
  const { attribute, from, to } = options;
  const query = {
    attribute,
    from: from === undefined ? undefined : parseAsOf(from),
    to: to === undefined ? undefined : parseAsOf(to),
  };
  await withDatabase(options, async (database) => {
    const pages = pagesOf(
      options,
      (page) => database.history(id, { ...query, ...page }, { asOf: asOf(options) }),
      rowsOf,
    );
    if (options.json === true) return writeJson(pages, id);
    const { facts, next } = await gather(pages);
    if (facts.length === 0) return note(`${harmless(id)} has no such fact.`);
    const width = Math.max(...facts.map((fact) => harmless(fact.attribute).length));
    let last: Tx | undefined;
    for (const fact of [...facts].sort(byMoment)) {
      if (fact.tx !== last) line(await headline(database, fact.tx));
      last = fact.tx;
      line(`  ${sign(fact)} ${harmless(fact.attribute).padEnd(width)}  ${shown(fact.value)}`);
    }
    noteMore(next);
  });
}

/** Who and why are facts about the transaction: one small read, however much it wrote. */
async function headline(database: Database, tx: Tx): Promise<string> {
  const { attributes } = await database.entity(`tx:${tx}`);
  const meta = [...attributes].map(
    ([name, values]) => [name.replace(/^tx\//, ''), values] as const,
  );
  return describe({ tx, meta: new Map(meta) });
}

/** When, who and why, on one line. */
export function describe({ tx, meta }: TransactionInfo): string {
  const said = (name: string): string => {
    const value = meta.get(name)?.values[0];
    return value === undefined ? '' : (shown(value).split('\\n', 1)[0] ?? '');
  };
  const why = said('reason') || said('message');
  return [colours.bold(moment(tx)), said('author'), why === '' ? '' : colours.dim(why)]
    .filter((part) => part !== '')
    .join('  ');
}

export interface ScanOptions
  extends ListOptions, Pick<FactsQuery, 'index' | 'entity' | 'attribute'> {
  readonly value?: string | undefined;
  readonly valueFrom?: string | undefined;
  readonly valueTo?: string | undefined;
}

/** `state` and `facts`: a leading part of an index. */
export async function scan(kind: 'state' | 'facts', options: ScanOptions): Promise<void> {
  const { index, entity: of, attribute } = options;
  const query: FactsQuery = {
    index,
    entity: of,
    attribute,
    value: valueOf(options.value, index),
    valueFrom: valueOf(options.valueFrom, index),
    valueTo: valueOf(options.valueTo, index),
  };
  await withDatabase(options, async (database) => {
    const pages = pagesOf(
      options,
      (page) => database[kind]({ ...query, ...page }, { asOf: asOf(options) }),
      rowsOf,
    );
    if (options.json === true) return writeJson(pages);
    const { facts, next } = await gather(pages);
    out(factTable(facts));
    noteMore(next);
  });
}

export async function diff(from: string, to: string, options: ListOptions): Promise<void> {
  const query = { from: parseAsOf(from), to: parseAsOf(to) };
  await withDatabase(options, async (database) => {
    let whole: DiffPage | undefined;
    const pages = pagesOf(
      options,
      (at) => database.diff({ ...query, ...at }),
      ({ added, removed }) => added.length + removed.length,
    );
    for await (const page of pages) {
      whole =
        whole === undefined
          ? page
          : {
              ...page,
              added: [...whole.added, ...page.added],
              removed: [...whole.removed, ...page.removed],
            };
    }
    if (whole === undefined) return;
    if (options.json === true) return line(printDiff(whole));
    const { added, removed } = whole;
    // What was replaced stands beside what replaced it.
    const both = [
      ...removed.map((fact) => ({ ...fact, operation: 'retract' as const })),
      ...added,
    ].sort(byPlace);
    if (both.length === 0) return note('Nothing differs.');
    out(factTable(both, false));
    note(`${counted(added.length, 'fact')} added, ${counted(removed.length, 'fact')} removed.`);
    noteMore(whole.next);
  });
}

/** What was replaced stands before what replaced it. */
function byMoment(a: Fact, b: Fact): number {
  if (a.tx !== b.tx) return a.tx < b.tx ? -1 : 1;
  return (
    compareUtf8(a.attribute, b.attribute) ||
    Number(a.operation === 'assert') - Number(b.operation === 'assert')
  );
}

function byPlace(a: Fact, b: Fact): number {
  return compareUtf8(a.entity, b.entity) || compareUtf8(a.attribute, b.attribute);
}

export async function schema(
  options: GlobalOptions & { readonly builtIn?: boolean | undefined },
): Promise<void> {
  await withDatabase(options, async (database) => {
    const answer = await database.schema({ asOf: asOf(options) });
    if (options.json === true) return line(printSchema(answer));
    const wanted = answer.attributes.filter(
      ({ ident }) => options.builtIn === true || !BUILT_IN.has(ident),
    );
    const rows = wanted.map(({ ident, valueType, cardinality, unique, index, inferred, doc }) => [
      harmless(ident),
      valueType,
      cardinality,
      [
        unique === undefined ? '' : `unique ${unique}`,
        index && unique === undefined ? 'indexed' : '',
        inferred ? 'inferred' : '',
      ]
        .filter((part) => part !== '')
        .join(', '),
      harmless(doc ?? ''),
    ]);
    if (rows.length === 0) note('No attribute is defined yet: the first use of one defines it.');
    else out(table(['attribute', 'type', 'cardinality', '', 'doc'], rows));
    const hidden = answer.attributes.length - wanted.length;
    if (hidden > 0) note(`${counted(hidden, 'built-in attribute')} not shown (--built-in).`);
    note(`As of ${formatNanos(answer.basis)}${answer.strict ? ', strict' : ''}.`);
  });
}
