import {
  type Database,
  type FactsQuery,
  printDiff,
  printEntity,
  printFactsPage,
  printFeedEvent,
  printSchema,
  printStatus,
  type TransactionInfo,
} from '@pyralog/client';
import { formatNanos, parseAsOf, PyralogError, type Tx } from '@pyralog/model';
import colours from 'picocolors';
import { asOf, EXIT, type GlobalOptions, withDatabase } from './context.ts';
import { factTable, line, moment, note, out, shown, table } from './print.ts';

type Limited = GlobalOptions & { readonly limit: string };

export async function entity(id: string, options: GlobalOptions): Promise<number> {
  return withDatabase(options, async (database) => {
    const answer = await database.entity(id, { asOf: asOf(options) });
    if (options.json === true) line(printEntity(answer));
    else if (answer.attributes.size > 0) {
      const rows = [...answer.attributes].flatMap(([name, { values }]) => values.map((value, i) => [i === 0 ? name : '', shown(value)]));
      line(colours.bold(id));
      out(table(['attribute', 'value'], rows));
      line(colours.dim(`as of ${formatNanos(answer.basis)}`));
    } else line(`${id} has no fact in force as of ${formatNanos(answer.basis)}.`);
    return answer.attributes.size > 0 ? EXIT.ok : EXIT.refused;
  });
}

/** Facts grouped by transaction, each with its author and reason. */
export async function history(id: string, options: Limited & { readonly attribute?: string }): Promise<void> {
  await withDatabase(options, async (database) => {
    const page = await database.history(id, { attribute: options.attribute, limit: limitOf(options) }, { asOf: asOf(options) });
    if (options.json === true) return line(printFactsPage(page, id));
    if (page.facts.length === 0) return line(`${id} never had a fact.`);
    let last: Tx | undefined;
    for (const { attribute, value, tx, operation } of page.facts) {
      if (tx !== last) line(await headline(database, tx));
      last = tx;
      line(`  ${operation === 'assert' ? colours.green('+') : colours.red('-')} ${attribute}  ${shown(value)}`);
    }
    if (page.next !== undefined) note(`There is more: give a higher --limit than ${options.limit}.`);
  });
}

async function headline(database: Database, tx: Tx): Promise<string> {
  return describe(await database.transaction(tx));
}

/** When, who and why, on one line. */
export function describe({ tx, meta }: TransactionInfo): string {
  const said = (name: string): string => {
    const [value] = meta.get(name) ?? [];
    return value === undefined ? '' : (shown(value).split('·')[0] ?? '');
  };
  const why = said('reason') || said('message');
  return [colours.bold(moment(tx)), said('author'), why === '' ? '' : colours.dim(why)].filter((part) => part !== '').join('  ');
}

export async function list(kind: 'state' | 'facts', options: Limited & Pick<FactsQuery, 'index' | 'entity' | 'attribute'>): Promise<void> {
  await withDatabase(options, async (database) => {
    const { index, entity: of, attribute } = options;
    const page = await database[kind]({ index, entity: of, attribute, limit: limitOf(options) }, { asOf: asOf(options) });
    if (options.json === true) return line(printFactsPage(page));
    out(factTable(page.facts));
    if (page.next !== undefined) note(`There is more: give a higher --limit than ${options.limit}, or a part of the index.`);
  });
}

export async function diff(from: string, to: string, options: Limited): Promise<void> {
  await withDatabase(options, async (database) => {
    const page = await database.diff({ from: parseAsOf(from), to: parseAsOf(to), limit: limitOf(options) });
    if (options.json === true) return line(printDiff(page));
    for (const { entity: of, attribute, value } of page.removed) line(`${colours.red('-')} ${of}  ${attribute}  ${shown(value)}`);
    for (const { entity: of, attribute, value } of page.added) line(`${colours.green('+')} ${of}  ${attribute}  ${shown(value)}`);
    if (page.added.length + page.removed.length === 0) line('Nothing differs.');
    if (page.next !== undefined) note(`There is more: give a higher --limit than ${options.limit}.`);
  });
}

export async function schema(options: GlobalOptions): Promise<void> {
  await withDatabase(options, async (database) => {
    const answer = await database.schema({ asOf: asOf(options) });
    if (options.json === true) return line(printSchema(answer));
    const rows = answer.attributes.map(({ ident, valueType, cardinality, unique, index, inferred, doc }) => [
      ident,
      valueType,
      cardinality,
      [unique === undefined ? '' : `unique ${unique}`, index && unique === undefined ? 'indexed' : '', inferred ? 'inferred' : ''].filter((part) => part !== '').join(', '),
      doc ?? '',
    ]);
    out(table(['attribute', 'type', 'cardinality', '', 'doc'], rows));
  });
}

export async function feed(options: GlobalOptions & { readonly from: string; readonly follow?: boolean }): Promise<void> {
  await withDatabase(options, async (database) => {
    const stop = new AbortController();
    process.once('SIGINT', () => stop.abort());
    for await (const event of database.feed({ offset: options.from, follow: options.follow === true, signal: stop.signal })) {
      if (options.json === true) line(printFeedEvent(event));
      else if (event.kind === 'transaction') {
        line(describe(event));
        out(factTable(event.facts));
      } else if (options.follow !== true) note(`Go on with --from ${event.offset}`);
    }
  });
}

export async function status(options: GlobalOptions): Promise<void> {
  await withDatabase(options, async (database) => {
    const answer = await database.status();
    if (options.json === true) return line(printStatus(answer));
    line(`${colours.bold(answer.database)}  ${answer.mode}${answer.strict ? ', strict' : ''}${answer.durable ? '' : ', in memory'}  version ${answer.version}  id ${answer.id}`);
    const rows = answer.partitions.map((each) => [each.partition, each.epoch, each.logEnd, each.indexed, each.liveFacts, each.runs].map(String).concat(moment(each.closed)));
    out(table(['partition', 'epoch', 'log end', 'indexed', 'live facts', 'runs', 'closed'], rows));
    for (const [kind, bytes] of Object.entries(answer.bytes)) line(`${kind}: ${bytes} bytes`);
  });
}

function limitOf({ limit }: Limited): number {
  const rows = Number(limit);
  if (Number.isInteger(rows) && rows >= 1 && rows <= 10_000) return rows;
  throw new PyralogError('usage', `--limit: ${JSON.stringify(limit)} is not a whole number from 1 to 10000.`);
}
