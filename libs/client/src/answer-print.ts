import { type Fact, formatNanos, printValue, type Value } from '@pyralog/model';
import type {
  AttributeValues,
  CommitResult,
  DiffPage,
  EntityAnswer,
  FactsPage,
  FeedEvent,
  SchemaAnswer,
  StatusAnswer,
  TransactionAnswer,
  TransactionInfo,
  TransactionsPage,
} from './database.ts';

/*
 * Answers as JSON text, the inverse of answer-read.ts. Built by hand: an int64 must not pass through a number, and a page
 * of ten thousand facts must not be built twice.
 */

/** `{"entity","attribute","value","type","tx","operation"}`. */
export function printFact(fact: Fact): string {
  return `{"entity":${quote(fact.entity)},"attribute":${quote(fact.attribute)},"value":${printValue(fact.value)},"type":"${fact.value.type}","tx":"${fact.tx}","operation":"${fact.operation}"}`;
}

/** A JSON list of facts. */
export function printFacts(facts: readonly Fact[]): string {
  return list(facts, printFact);
}

/** `{"entity","basis","attributes"}`; a many-attribute is an array even with one value. */
export function printEntity(answer: EntityAnswer): string {
  return `{"entity":${quote(answer.entity)},"basis":"${answer.basis}","attributes":${printAttributes(answer.attributes)}}`;
}

/** `{"basis","facts","next"}`; with the entity first where the page is its history. */
export function printFactsPage(page: FactsPage, entity?: string): string {
  const head = entity === undefined ? '' : `"entity":${quote(entity)},`;
  return `{${head}"basis":"${page.basis}","facts":${printFacts(page.facts)},"next":${printNext(page.next)}}`;
}

/** `{"tx","instant","meta","facts"}`. The basis is in the header: what a transaction wrote depends on none. */
export function printTransaction(answer: TransactionAnswer): string {
  return `{${printInfo(answer)},"facts":${printFacts(answer.facts)}}`;
}

/** `{"basis","transactions":[{"tx","instant","meta"}],"next"}`. */
export function printTransactions(page: TransactionsPage): string {
  return `{"basis":"${page.basis}","transactions":${list(page.transactions, (each) => `{${printInfo(each)}}`)},"next":${printNext(page.next)}}`;
}

/** `{"basis","added","removed","next"}`. */
export function printDiff(page: DiffPage): string {
  return `{"basis":"${page.basis}","added":${printFacts(page.added)},"removed":${printFacts(page.removed)},"next":${printNext(page.next)}}`;
}

/** `{"basis","strict","mode","attributes":[{"ident","valueType","cardinality","unique","index","doc","inferred"}]}`. */
export function printSchema(answer: SchemaAnswer): string {
  const attributes = list(
    answer.attributes,
    (each) =>
      `{"ident":${quote(each.ident)},"valueType":"${each.valueType}","cardinality":"${each.cardinality}","unique":${each.unique === undefined ? 'null' : `"${each.unique}"`},"index":${each.index},"doc":${each.doc === undefined ? 'null' : quote(each.doc)},"inferred":${each.inferred}}`,
  );
  return `{"basis":"${answer.basis}","strict":${answer.strict},"mode":"${answer.mode}","attributes":${attributes}}`;
}

/** `{"tx","instant","facts","ids","duplicate","explain"}`; without `facts` and `explain` where they were not asked for. */
export function printCommit(result: CommitResult, withFacts = true): string {
  const facts = withFacts ? `"facts":${printFacts(result.facts)},` : '';
  const explain =
    result.explain === undefined ? '' : `,"explain":${JSON.stringify(result.explain)}`;
  let ids = '';
  for (const [temporary, entity] of result.ids)
    ids += `${ids === '' ? '' : ','}${quote(temporary)}:${quote(entity)}`;
  return `{"tx":"${result.tx}","instant":"${formatNanos(result.tx)}",${facts}"ids":{${ids}},"duplicate":${result.duplicate}${explain}}`;
}

/**
 * `{"kind":"transaction","offset","tx","instant","meta","facts"}` or `{"kind":"progress","offset","tx","upToDate"}`: a line of
 * an NDJSON feed, the `data` of a server-sent event.
 */
export function printFeedEvent(event: FeedEvent): string {
  const head = `{"kind":"${event.kind}","offset":${quote(event.offset)},`;
  if (event.kind === 'progress') return `${head}"tx":"${event.tx}","upToDate":${event.upToDate}}`;
  return `${head}${printInfo(event)},"facts":${printFacts(event.facts)}}`;
}

/** `{"database","id","mode","strict","version","durable","partitions":[…],"bytes":{…}}`. */
export function printStatus(status: StatusAnswer): string {
  const { partitions, ...rest } = status;
  const shown = partitions.map((each) => ({ ...each, closed: each.closed.toString() }));
  return JSON.stringify({ ...rest, partitions: shown });
}

function printInfo({ tx, meta }: TransactionInfo): string {
  return `"tx":"${tx}","instant":"${formatNanos(tx)}","meta":${printAttributes(meta)}`;
}

/** The value of an attribute; an array of them where it is many. */
export function printAttribute({ cardinality, values }: AttributeValues): string {
  return cardinality === 'many' ? list(values, printValue) : printValue(values[0] as Value);
}

function printAttributes(attributes: ReadonlyMap<string, AttributeValues>): string {
  let fields = '';
  for (const [name, values] of attributes)
    fields += `${fields === '' ? '' : ','}${quote(name)}:${printAttribute(values)}`;
  return `{${fields}}`;
}

function printNext(next: string | undefined): string {
  return next === undefined ? 'null' : quote(next);
}

function list<T>(items: readonly T[], print: (item: T) => string): string {
  let text = '';
  for (const item of items) text += text === '' ? print(item) : `,${print(item)}`;
  return `[${text}]`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
