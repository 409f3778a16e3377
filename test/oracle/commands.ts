/** What the model-based test does to a database, each with what the model says to it. */
import type { AttributeValues, FactsPage, ReadOptions } from '@pyralog/client';
import { utf8Encode } from '@pyralog/base';
import {
  BUILT_IN,
  type Fact,
  type IndexOrder,
  isPyralogError,
  parseDocument,
  tx as asTx,
  type Tx,
  txOfEntity,
  type Value,
} from '@pyralog/model';
import fc from 'fast-check';
import { expect } from 'vitest';
import { definition, draft, ENTITIES, filled, setting } from './documents.ts';
import type { Model } from './model.ts';
import { textOf } from './rules.ts';
import { REPLAY_PATH } from './runs.ts';
import type { Subject } from './subject.ts';

type Command = fc.AsyncCommand<Model, Subject>;

/** A command by its name and what it is given, which is how a failure shows it. */
class Step<T> implements Command {
  readonly #name: string;
  readonly #given: T;
  readonly #run: (given: T, model: Model, subject: Subject) => Promise<void>;

  constructor(
    name: string,
    given: T,
    run: (given: T, model: Model, subject: Subject) => Promise<void>,
  ) {
    this.#name = name;
    this.#given = given;
    this.#run = run;
  }

  check(): boolean {
    return true;
  }

  run(model: Model, subject: Subject): Promise<void> {
    return this.#run(this.#given, model, subject);
  }

  toString(): string {
    return `${this.#name}(${JSON.stringify(this.#given)})`;
  }
}

function steps<T>(
  name: string,
  given: fc.Arbitrary<T>,
  run: (given: T, model: Model, subject: Subject) => Promise<void>,
): fc.Arbitrary<Command> {
  return given.map((each) => new Step(name, each, run));
}

/** Sends a document, and holds its outcome against the model, which takes it. */
export async function transact(text: string, model: Model, { database }: Subject): Promise<void> {
  const refusals = model.refusalsOf(parseDocument(text));
  const outcome = await database.transact(utf8Encode(text)).then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  );
  if ('result' in outcome) expect(model.take(text, outcome.result), text).toBeUndefined();
  else if (!isPyralogError(outcome.error)) throw outcome.error;
  else expect([...refusals], `${text}: ${outcome.error.message}`).toContain(outcome.error.code);
}

/** Now, or as of the n-th transaction, or right before it. */
interface When {
  readonly n: number | undefined;
  readonly before: boolean;
}
const when: fc.Arbitrary<When> = fc.record({
  n: fc.option(fc.nat({ max: 50 }), { nil: undefined, freq: 2 }),
  before: fc.boolean(),
});

function nth({ transactions }: Model, n: number): Tx {
  return transactions[n % Math.max(1, transactions.length)]?.tx ?? asTx(1n);
}

/** The moment to read at, and the basis that the model answers for. */
function moment({ n, before }: When, model: Model): { options: ReadOptions; basis: Tx } {
  const last = model.transactions.at(-1)?.tx ?? asTx(1n);
  if (n === undefined) return { options: { await: last }, basis: last };
  const basis = asTx(nth(model, n) - (before ? 1n : 0n));
  return { options: { asOf: basis }, basis };
}

const someEntity = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...ENTITIES, 'attribute:n', 'attribute:mail') },
  { weight: 1, arbitrary: fc.nat({ max: 9 }).map((n) => `@made:${n}`) },
  { weight: 1, arbitrary: fc.nat({ max: 30 }).map((n) => `@tx:${n}`) },
);

function entityNamed(name: string, model: Model): string {
  const text = JSON.parse(filled(name, model)) as string;
  return name.startsWith('@tx:') ? `tx:${text}` : text;
}

const reading = [
  steps('entity', fc.record({ name: someEntity, when }), async (given, model, { database }) => {
    const { options, basis } = moment(given.when, model);
    const id = entityNamed(given.name, model);
    const answer = await database.entity(id, options);
    expect(attributesOf(answer.attributes), id).toEqual(entityAt(id, basis, model));
  }),
  steps(
    'state',
    fc.record({
      index: fc.constantFrom<IndexOrder>('eavt', 'aevt', 'avet', 'vaet'),
      limit: fc.integer({ min: 1, max: 20 }),
      facts: fc.boolean(),
      when,
    }),
    async (given, model, { database }) => {
      const { options, basis } = moment(given.when, model);
      const { index, limit } = given;
      const attribute = index === 'avet' ? 'mail' : undefined;
      if (attribute !== undefined && !isIndexed(attribute, basis, model)) return;
      const query = { index, attribute, limit };
      const found = await all(
        (cursor) =>
          given.facts
            ? database.facts({ ...query, cursor }, options)
            : database.state({ ...query, cursor }, options),
        model,
      );
      const expected = (
        given.facts ? logUpTo(basis, model) : model.fold.stateAt(basis, index)
      ).filter(
        (fact) =>
          (attribute === undefined || fact.attribute === attribute) &&
          (index !== 'vaet' || fact.value.type === 'ref'),
      );
      // The order of states is the oracle's; that of logs is fold.test.ts's.
      if (given.facts) expect(new Set(found)).toEqual(new Set(expected.map(lineOf)));
      else expect(found).toEqual(expected.map(lineOf));
    },
  ),
  steps(
    'history',
    fc.record({ name: someEntity, limit: fc.integer({ min: 1, max: 9 }), when }),
    async (given, model, { database }) => {
      const { options, basis } = moment(given.when, model);
      const id = entityNamed(given.name, model);
      const page = (cursor: string | undefined): Promise<FactsPage> =>
        database.history(id, { limit: given.limit, cursor }, options);
      expect(await all(page, model), id).toEqual(model.fold.history(id, basis).map(lineOf));
    },
  ),
  steps(
    'diff',
    fc.record({
      from: fc.nat({ max: 50 }),
      to: fc.nat({ max: 50 }),
      limit: fc.integer({ min: 1, max: 9 }),
    }),
    async (given, model, { database }) => {
      if (model.transactions.length === 0) return;
      const [from, to] = [nth(model, given.from), nth(model, given.to)];
      const [added, removed]: [string[], string[]] = [[], []];
      for (let cursor: string | undefined; ;) {
        const page = await database.diff({ from, to, limit: given.limit, cursor });
        added.push(...page.added.map(lineOf));
        removed.push(...page.removed.map(lineOf));
        if (page.next === undefined) break;
        cursor = page.next;
      }
      expect(added).toEqual(model.fold.addedBetween(from, to).map(lineOf));
      expect(removed).toEqual(model.fold.addedBetween(to, from).map(lineOf));
    },
  ),
  steps('feed', fc.option(fc.nat({ max: 50 })), async (n, model, { database }) => {
    const after = n === null ? asTx(0n) : nth(model, n);
    const offset = n === null || model.transactions.length === 0 ? '-1' : `tx:${after}`;
    const events: unknown[] = [];
    const last = model.transactions.at(-1)?.tx;
    // Of all partitions: a feed that does not follow ends where they have closed.
    await database.state({ index: 'eavt', limit: 1 }, { await: last });
    for await (const event of database.feed({ offset, follow: false }))
      if (event.kind === 'transaction') events.push([event.tx, event.facts.map(lineOf).toSorted()]);
    const expected = model.transactions.filter(({ tx }) => offset === '-1' || tx > after);
    expect(events).toEqual(expected.map(({ tx, facts }) => [tx, facts.map(lineOf).toSorted()]));
  }),
  steps('schema', when, async (given, model, { database }) => {
    const { options, basis } = moment(given, model);
    const { attributes, strict } = await database.schema(options);
    const known = model.definitionsAt(basis);
    expect(strict).toBe(known.strict);
    const declared = attributes.filter(({ ident }) => !BUILT_IN.has(ident));
    const state = model.fold.stateAt(basis);
    const docs = new Map(
      state
        .filter(({ attribute }) => attribute === 'db/doc')
        .map(({ entity, value }) => [entity, value.value]),
    );
    expect(declared).toEqual(
      state
        .filter(({ attribute }) => attribute === 'db/ident')
        .map(({ entity, value }) => ({ ...known(String(value.value)), doc: docs.get(entity) })),
    );
  }),
  steps('transaction', fc.nat({ max: 50 }), async (n, model, { database }) => {
    const expected = model.transactions[n % Math.max(1, model.transactions.length)];
    if (expected === undefined) return;
    const { facts } = await database.transaction(expected.tx, { await: expected.tx });
    expect(facts.map(lineOf).toSorted()).toEqual(expected.facts.map(lineOf).toSorted());
  }),
];

/** Commands of one run. */
export const commands: fc.Arbitrary<Iterable<Command>> = fc.commands(
  [
    ...Array.from({ length: 16 }, () =>
      steps('transact', draft, (given, model, subject) =>
        transact(filled(given, model), model, subject),
      ),
    ),
    steps('repeat', fc.nat({ max: 3 }), async (n, model, subject) => {
      const sent = [...model.keyed.values()];
      const again = sent[n % Math.max(1, sent.length)];
      if (again !== undefined) await transact(again.text, model, subject);
    }),
    steps('define', definition, (op, model, subject) =>
      transact(JSON.stringify({ ops: [op] }), model, subject),
    ),
    steps('strict', setting, (op, model, subject) =>
      transact(JSON.stringify({ ops: [op] }), model, subject),
    ),
    ...reading,
    steps('flush', fc.constant(null), (_, _model, subject) => subject.flushed()),
    steps('restart', fc.constant(null), (_, _model, subject) => subject.restart()),
  ],
  {
    maxCommands: 60,
    size: '+1',
    ...(REPLAY_PATH === undefined ? {} : { replayPath: REPLAY_PATH }),
  },
);

function attributesOf(attributes: ReadonlyMap<string, AttributeValues>): unknown {
  return [...attributes].map(([name, { cardinality, values }]) => [
    name,
    cardinality,
    values.map(textOf),
  ]);
}

function entityAt(id: string, basis: Tx, model: Model): unknown {
  const known = model.definitionsAt(basis);
  const attributes = new Map<string, Value[]>();
  for (const { attribute, value } of model.fold.entityAt(id, basis))
    attributes.set(attribute, [...(attributes.get(attribute) ?? []), value]);
  const own = txOfEntity(id);
  if (own !== undefined && own <= basis && model.transactions.some(({ tx }) => tx === own))
    attributes.set('tx/timestamp', [{ type: 'instant', value: own / 1000n }]);
  return [...attributes]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, values]) => [name, known(name)?.cardinality ?? 'one', values.map(textOf)]);
}

/** Whether the index by value has an attribute: what it loses it does not get back while there are facts. */
function isIndexed(ident: string, basis: Tx, model: Model): boolean {
  const now = model.transactions.at(-1)?.tx ?? basis;
  return [basis, now].every((at) => model.definitionsAt(at)(ident)?.index === true);
}

function logUpTo(basis: Tx, { log }: Model): readonly Fact[] {
  return log.filter(({ tx }) => tx <= basis);
}

async function all(
  page: (cursor: string | undefined) => Promise<FactsPage>,
  { log }: Model,
): Promise<string[]> {
  const lines: string[] = [];
  for (let cursor: string | undefined; ;) {
    const { facts, next } = await page(cursor);
    lines.push(...facts.map(lineOf));
    expect(lines.length).toBeLessThanOrEqual(log.length);
    if (next === undefined) return lines;
    cursor = next;
  }
}

function lineOf({ entity, attribute, value, tx, operation }: Fact): string {
  return `${operation} ${entity} ${attribute} ${textOf(value)} ${tx}`;
}
