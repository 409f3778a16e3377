import { AssertionError, must } from '@pyralog/base';
import {
  isPyralogError,
  type PartitionNo,
  partitionNo,
  tx,
  TX_NONE,
  type Tx,
} from '@pyralog/model';
import type { EntityView, ViewBatch, ViewOutcome, ViewStore } from '@pyralog/views';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/** Views under test, which lie where one client and another find the same. */
export interface ViewsUnderTest {
  /** A client, which is closed by whoever opened it. One that writes record by record is good. */
  open(): ViewStore;
  /** Ids of all records of a database, in any order. */
  records(database: string): Promise<readonly string[]>;
  /** How much else there is for each record that was deleted; 0 in the end. */
  remembered(database: string): Promise<number>;
  /** A name of a database that no other test has. */
  freshDatabase(): string;
}

const P0 = partitionNo(0);

/** What every adapter of ViewStore promises (libs/views/src/views.ts). */
export function viewsContract(
  name: string,
  tested: ViewsUnderTest,
  { runs = 100 }: { readonly runs?: number } = {},
): void {
  describe(`ViewStore: ${name}`, () => {
    let db: string;
    let store: ViewStore;
    beforeEach(() => {
      db = tested.freshDatabase();
      store = tested.open();
    });
    afterEach(() => store[Symbol.asyncDispose]());

    const batch = (from: number, to: number, entities: ViewBatch['entities']): ViewBatch => ({
      database: db,
      partition: P0,
      from: tx(BigInt(from)),
      to: tx(BigInt(to)),
      entities,
    });
    const apply = (from: number, to: number, entities: ViewBatch['entities']) =>
      store.apply(batch(from, to, entities));
    const read = async (entity: string): Promise<[number, Record<string, string>] | undefined> => {
      const found = await store.entity(db, entity);
      return found && [Number(found.tx), Object.fromEntries(found.attributes)];
    };

    describe('what is written', () => {
      test('nothing is there at first, and a partition is to be loaded', async () => {
        await store.ping();
        expect(await store.position(db, P0)).toEqual({
          watermark: TX_NONE,
          loading: undefined,
          clearing: false,
        });
        expect(await store.entity(db, 'paper:1')).toBeUndefined();
      });

      test('a load, and steps from there: records change, come and go', async () => {
        expect(
          await apply(0, 20, [view('a', 10, { x: '1', y: '[1,2]' }), view('b', 20, { x: '2' })]),
        ).toBe('applied');
        expect(await read('a')).toEqual([10, { x: '1', y: '[1,2]' }]);
        expect(await store.position(db, P0)).toEqual({
          watermark: 20n,
          loading: undefined,
          clearing: false,
        });
        // An attribute that is in force no more is gone with the old record.
        const step = [view('a', 25, { x: '9' }), gone('b', 30), view('c', 30, { z: '"c"' })];
        expect(await apply(20, 30, step)).toBe('applied');
        expect(await read('a')).toEqual([25, { x: '9' }]);
        expect(await read('b')).toBeUndefined();
        expect(await read('c')).toEqual([30, { z: '"c"' }]);
        expect([...(await tested.records(db))].sort()).toEqual(['a', 'c']);
        expect(await apply(30, 40, [view('b', 35, { x: '3' })])).toBe('applied');
        expect(await read('b')).toEqual([35, { x: '3' }]);
        expect(await tested.remembered(db)).toBe(0);
      });

      test('a batch may be empty', async () => {
        expect(await apply(0, 5, [])).toBe('applied');
        expect(await apply(5, 6, [])).toBe('applied');
        expect((await store.position(db, P0)).watermark).toBe(6n);
      });

      test('ids, names and texts of every kind come back as they were', async () => {
        const ids = [
          'ü:𝄞',
          'a:b:c',
          '{tag}x',
          '*',
          'line\nfeed',
          'nul\0',
          ' ',
          'path:sha256:[x]?',
          'x'.repeat(1024),
          '€'.repeat(341),
        ];
        const attributes = {
          'person/name': '"ü𝄞\\u0000"',
          __proto__x: '1',
          constructor: '2',
          toString: '3',
          ' ': '{"json":{"a":[null]}}',
          ['n'.repeat(1024)]: '""',
        };
        const all = new Map([...Object.entries(attributes), ['__proto__', '4']]);
        await apply(
          0,
          10,
          ids.map((entity, i) => ({ entity, tx: tx(BigInt(i + 1)), attributes: all })),
        );
        for (const [i, entity] of ids.entries())
          expect(await store.entity(db, entity)).toEqual({ tx: BigInt(i + 1), attributes: all });
        expect([...(await tested.records(db))].sort()).toEqual([...ids].sort());
      });

      test('a tx is compared as a whole number of 63 bits', async () => {
        // Of one step of the clock, in two partitions.
        const [low, high] = [2n ** 62n + 1n, 2n ** 62n + 2n];
        const at = (from: bigint, to: bigint, entities: readonly EntityView[]) =>
          store.apply({ database: db, partition: P0, from: tx(from), to: tx(to), entities });
        const view1 = (t: bigint, x: string): EntityView => ({
          entity: 'a',
          tx: tx(t),
          attributes: new Map([['x', x]]),
        });
        expect(await at(0n, 999n, [view1(999n, '0')])).toBe('applied');
        expect(await at(999n, 1000n, [view1(1000n, '1')])).toBe('applied');
        expect(await read('a')).toEqual([1000, { x: '1' }]);
        expect(await at(1000n, low, [view1(low, 'low')])).toBe('applied');
        expect(await at(low, high, [view1(high, 'high')])).toBe('applied');
        expect(await at(1000n, low, [view1(low, 'again')])).toBe('passed');
        expect((await store.entity(db, 'a'))?.attributes.get('x')).toBe('high');
      });

      test('a record may be large, and have more attributes than one command takes', async () => {
        const attributes = new Map(Array.from({ length: 20_000 }, (_, i) => [`a/${i}`, `${i}`]));
        attributes.set('blob', JSON.stringify('x'.repeat(2 ** 20)));
        await apply(0, 1, [{ entity: 'large', tx: tx(1n), attributes }]);
        expect((await store.entity(db, 'large'))?.attributes).toEqual(attributes);
      });

      test('entities are taken as they can be written, so that a batch need not fit into memory', async () => {
        let given = 0;
        async function* entities(): AsyncIterable<EntityView> {
          for (; given < 1_000; given++) {
            yield view(`e${given}`, 1, { x: '1' });
            // What is held back is bounded, and small.
            if (given % 100 === 99)
              expect((await tested.records(db)).length).toBeGreaterThan(given - 200);
          }
        }
        expect(await apply(0, 1, entities())).toBe('applied');
        expect(await tested.records(db)).toHaveLength(1_000);
      });

      test('partitions and databases are apart', async () => {
        const other = tested.freshDatabase();
        await apply(0, 10, [view('a', 10, { x: '1' })]);
        const partition = partitionNo(1);
        const p1 = [view('b', 3, { x: '2' })];
        const three = { database: db, partition, from: TX_NONE, to: tx(3n), entities: p1 };
        expect(await store.apply(three)).toBe('applied');
        const there = { ...three, database: other, entities: [view('a', 3, { x: 'other' })] };
        expect(await store.apply(there)).toBe('applied');
        expect((await store.position(db, P0)).watermark).toBe(10n);
        expect((await store.position(db, partition)).watermark).toBe(3n);
        expect(await read('a')).toEqual([10, { x: '1' }]);
        await store.clear(db);
        expect(await tested.records(other)).toEqual(['a']);
        expect((await store.position(other, partition)).watermark).toBe(3n);
        await store.clear(other);
      });
    });

    describe('writers who are late, cut off or beside each other', () => {
      test('a batch that was applied is passed when it is repeated, and changes nothing', async () => {
        await apply(0, 10, [view('a', 10, { x: '1' })]);
        expect(await apply(0, 10, [view('a', 10, { x: 'again' })])).toBe('passed');
        await apply(10, 30, [view('a', 30, { x: '3' })]);
        expect(await apply(10, 20, [view('a', 20, { x: '2' }), view('b', 15, {})])).toBe('passed');
        expect(await read('a')).toEqual([30, { x: '3' }]);
        expect(await tested.records(db)).toEqual(['a']);
      });

      test('a step may begin below the watermark, and brings nothing older with it', async () => {
        await apply(0, 20, [view('a', 15, { x: '15' }), view('b', 20, { x: '20' })]);
        const step = [view('a', 15, { x: 'old' }), view('b', 25, { x: '25' })];
        expect(await apply(10, 30, step)).toBe('applied');
        expect(await read('a')).toEqual([15, { x: '15' }]);
        expect(await read('b')).toEqual([25, { x: '25' }]);
      });

      test('a step from above the watermark is refused: what lies between is not there', async () => {
        await apply(0, 10, []);
        expect(await apply(20, 30, [view('a', 30, { x: '1' })])).toBe('refused');
        expect((await store.position(db, P0)).watermark).toBe(10n);
        expect(await read('a')).toBeUndefined();
        const empty = tested.freshDatabase();
        const step = { ...batch(20, 30, [view('a', 30, { x: '1' })]), database: empty };
        expect(await store.apply(step)).toBe('refused');
        expect(await tested.records(empty)).toEqual([]);
      });

      test('what was deleted is not put back by a writer who is behind', async () => {
        await apply(0, 10, [view('a', 5, { x: '5' })]);
        const old = new Writer(store, batch(10, 20, [view('a', 15, { x: '15' })]));
        await old.step();
        // The newer one has deleted it and not ended.
        const young = new Writer(store, batch(10, 30, [gone('a', 25), view('b', 30, { x: '1' })]));
        await young.step();
        await young.step();
        await old.run();
        expect(old.outcome).toBe('applied');
        await young.run();
        expect(await read('a')).toBeUndefined();
        expect(await tested.records(db)).toEqual(['b']);
        expect(await tested.remembered(db)).toBe(0);
      });

      test('what was deleted far ahead is remembered while others bring the watermark there', async () => {
        await apply(0, 10, [view('a', 5, { x: '5' })]);
        const ahead = new Writer(store, batch(10, 30, [gone('a', 25), view('b', 30, { x: '1' })]));
        await ahead.step();
        await ahead.step();
        expect(await apply(10, 20, [view('c', 20, { x: '1' })])).toBe('applied');
        expect(await apply(20, 24, [view('a', 22, { x: '22' })])).toBe('applied');
        await ahead.run();
        expect(ahead.outcome).toBe('applied');
        expect([...(await tested.records(db))].sort()).toEqual(['b', 'c']);
        expect(await tested.remembered(db)).toBe(0);
      });

      test('a load is begun at one moment only, by whoever goes on with it', async () => {
        const loader = new Writer(
          store,
          batch(0, 20, [view('a', 5, { x: '5' }), view('b', 20, { x: '1' })]),
        );
        await loader.step();
        await loader.step();
        expect(await store.position(db, P0)).toEqual({
          watermark: TX_NONE,
          loading: 20n,
          clearing: false,
        });
        await loader.die();
        // At 30 entity a is gone, and a load says only what is there.
        expect(await apply(0, 30, [view('b', 20, { x: '1' })])).toBe('refused');
        expect(await apply(20, 30, [gone('a', 30)])).toBe('refused');
        const again = [view('a', 5, { x: '5' }), view('b', 20, { x: '1' })];
        expect(await apply(0, 20, again)).toBe('applied');
        expect(await apply(20, 30, [gone('a', 30)])).toBe('applied');
        expect(await tested.records(db)).toEqual(['b']);
        expect(await apply(0, 40, [view('c', 40, { x: '1' })])).toBe('refused');
      });

      test('what entities reject with, the batch rejects with, and it is begun again', async () => {
        await apply(0, 10, [view('a', 5, { x: '5' })]);
        const dying = new Writer(store, batch(10, 20, [view('a', 12, { x: '12' }), gone('b', 20)]));
        await dying.step();
        await dying.step();
        await dying.die();
        expect((await store.position(db, P0)).watermark).toBe(10n);
        expect(await apply(10, 20, [view('a', 12, { x: '12' })])).toBe('applied');
        expect(await read('a')).toEqual([12, { x: '12' }]);
      });
    });

    describe('clearing', () => {
      test('nothing is left, and a load begins anew', async () => {
        const many = Array.from({ length: 1_500 }, (_, i) => view(`e${i}`, 1, { x: '1' }));
        await apply(0, 10, many);
        const dying = new Writer(store, batch(10, 20, [gone('e1', 20)]));
        await dying.step();
        await dying.step();
        await dying.die();
        await store.clear(db);
        expect(await tested.records(db)).toEqual([]);
        expect(await tested.remembered(db)).toBe(0);
        expect(await store.position(db, P0)).toEqual({
          watermark: TX_NONE,
          loading: undefined,
          clearing: false,
        });
        expect(await apply(0, 7, [view('e1', 3, { x: 'older' })])).toBe('applied');
        expect(await read('e1')).toEqual([3, { x: 'older' }]);
        await store.clear(tested.freshDatabase());
      });

      test('a batch that is being written is refused from then on, a load at the same moment too', async () => {
        const entities = [view('a', 5, { x: '5' }), view('b', 5, { x: '5' })];
        const loader = new Writer(store, batch(0, 10, entities));
        await loader.step();
        await loader.step();
        await store.clear(db);
        const other = new Writer(store, batch(0, 10, entities));
        await other.step();
        await loader.run();
        expect(loader.outcome).toBe('refused');
        await other.run();
        expect(other.outcome).toBe('applied');
        expect([...(await tested.records(db))].sort()).toEqual(['a', 'b']);

        const step = new Writer(store, batch(10, 20, [view('a', 20, { x: '20' })]));
        await step.step();
        await store.clear(db);
        await step.run();
        expect(step.outcome).toBe('refused');
        expect(await tested.records(db)).toEqual([]);
      });
    });

    describe('bounds and the end', () => {
      test('a bad batch is a defect of the caller', async () => {
        const bad: (readonly [number, number, EntityView])[] = [
          [10, 10, view('a', 10, { x: '1' })],
          [10, 20, view('a', 10, { x: '1' })],
          [10, 20, view('a', 21, { x: '1' })],
          [0, 20, view('a', 5, {})],
          [0, 20, view('a', 5, { ':tx': '1' })],
          [0, 20, gone('a', 5)],
        ];
        for (const [from, to, entity] of bad) {
          const database = tested.freshDatabase();
          const made = { ...batch(from, to, [entity]), database };
          if (from > 0)
            await store.apply({ ...made, from: TX_NONE, to: tx(BigInt(from)), entities: [] });
          await expect(store.apply(made)).rejects.toThrow(AssertionError);
        }
        await expect(store.position('Main', P0)).rejects.toThrow(AssertionError);
        await expect(store.clear('a*')).rejects.toThrow(AssertionError);
      });

      test('a closed store refuses every call', async () => {
        const closed = tested.open();
        await closed[Symbol.asyncDispose]();
        await closed[Symbol.asyncDispose]();
        await refused('stopping', () => closed.ping());
        await refused('stopping', () => closed.position(db, P0));
        await refused('stopping', () => closed.apply(batch(0, 1, [])));
        await refused('stopping', () => closed.entity(db, 'a'));
        await refused('stopping', () => closed.clear(db));
      });
    });

    test('whoever writes, dies and comes late: the views are the state at their watermark in the end', async () => {
      await fc.assert(
        fc.asyncProperty(
          histories,
          fc.array(acts, { maxLength: 40, size: 'max' }),
          fc.array(fc.nat(3), { minLength: 8, maxLength: 20 }),
          async (history, plan, late) => {
            const database = tested.freshDatabase();
            const [old, young] = [tested.open(), tested.open()];
            try {
              const trial = new Trial(history, database, [old, young]);
              for (const act of plan) await trial.act(act);
              await trial.finish(late);
              expect([...(await tested.records(database))].sort()).toEqual(trial.expected());
              expect(await tested.remembered(database)).toBe(0);
            } finally {
              await young.clear(database);
              await Promise.all([old, young].map((each) => each[Symbol.asyncDispose]()));
            }
          },
        ),
        { numRuns: runs },
      );
    });
  });
}

function view(entity: string, at: number, attributes: Record<string, string>): EntityView {
  return { entity, tx: tx(BigInt(at)), attributes: new Map(Object.entries(attributes)) };
}

function gone(entity: string, at: number): EntityView {
  return { entity, tx: tx(BigInt(at)), attributes: undefined };
}

async function refused(code: string, call: () => Promise<unknown>): Promise<void> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isPyralogError(error) ? error.code : error).toBe(code);
}

class Death extends Error {}

/** A batch that goes on when it is told so: whatever else happens, happens between two of its entities. */
class Writer {
  readonly batch: ViewBatch;
  outcome: ViewOutcome | undefined;
  readonly #ended: Promise<void>;
  #wake: (dies: boolean) => void = () => undefined;
  #paused: Promise<void>;
  #pause: () => void = () => undefined;
  #hasEnded = false;

  constructor(store: ViewStore, batch: ViewBatch) {
    this.batch = batch;
    this.#paused = this.#nextPause();
    this.#ended = store.apply({ ...batch, entities: this.#entities() }).then(
      (outcome) => {
        this.outcome = outcome;
        this.#end();
      },
      (error: unknown) => {
        this.#end();
        if (!(error instanceof Death)) throw error;
      },
    );
    this.#ended.catch(() => undefined);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Resolves when it asks for an entity, or has ended. */
  async waits(): Promise<void> {
    await this.#paused;
  }

  /** Lets it go on to its next entity, or its end. */
  async step(): Promise<void> {
    await this.#paused;
    if (this.#hasEnded) return this.#ended;
    this.#paused = this.#nextPause();
    this.#wake(false);
    await this.#paused;
    if (this.#hasEnded) await this.#ended;
  }

  /** To its end. */
  async run(): Promise<void> {
    while (!this.#hasEnded) await this.step();
  }

  /** It never goes on. */
  async die(): Promise<void> {
    await this.#paused;
    this.#wake(true);
    await this.#ended;
  }

  async *#entities(): AsyncIterable<EntityView> {
    const all = this.batch.entities as readonly EntityView[];
    for (let i = 0; i <= all.length; i++) {
      const woken = new Promise<boolean>((resolve) => (this.#wake = resolve));
      this.#pause();
      if (await woken) throw new Death();
      const next = all[i];
      if (next !== undefined) yield next;
    }
  }

  #nextPause(): Promise<void> {
    return new Promise((resolve) => (this.#pause = resolve));
  }

  #end(): void {
    this.#hasEnded = true;
    this.#pause();
  }
}

const ENTITIES = ['a', 'b'];
/** Transactions: entities that each changes, to a number or (0) to nothing. */
type History = readonly (readonly (readonly [number, number])[])[];
const histories: fc.Arbitrary<History> = fc.array(
  fc.uniqueArray(
    fc.tuple(fc.nat(ENTITIES.length - 1), fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3 }))),
    { minLength: 1, selector: ([entity]) => entity },
  ),
  { minLength: 3, maxLength: 8, size: 'max' },
);

type Act =
  /** From the position, or from any moment that a writer may believe in; to a later one. */
  | {
      readonly kind: 'begin';
      readonly store: number;
      readonly from: number | undefined;
      readonly to: number;
    }
  | { readonly kind: 'step' | 'die'; readonly writer: number }
  | { readonly kind: 'clear'; readonly store: number };

const acts: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('begin' as const),
      store: fc.nat(1),
      from: fc.option(fc.nat(7), { nil: undefined, freq: 2 }),
      to: fc.nat(8),
    }),
  },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('step' as const), writer: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('die' as const), writer: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), store: fc.nat(1) }) },
);

/** What an entity is at a moment; undefined attributes where it has none, `at` 0 where it never had any. */
interface Known {
  readonly at: number;
  readonly value: number;
}

/** Writers beside each other, and what they may have done to the views by a naive reckoning. */
class Trial {
  readonly #history: History;
  readonly #database: string;
  readonly #stores: readonly ViewStore[];
  readonly #writers: Writer[] = [];
  /** The newest that was seen of anything since the views were cleared. */
  #watermark: Tx = TX_NONE;
  readonly #newest = new Map<string, Tx>();

  constructor(history: History, database: string, stores: readonly ViewStore[]) {
    this.#history = history;
    this.#database = database;
    this.#stores = stores;
  }

  async act(act: Act): Promise<void> {
    switch (act.kind) {
      case 'begin':
        await this.#begin(act.store, act.from, act.to);
        break;
      case 'step':
        await this.#writer(act.writer)?.step();
        break;
      case 'die':
        await this.#writer(act.writer)?.die();
        break;
      case 'clear':
        await this.#store(act.store).clear(this.#database);
        this.#watermark = TX_NONE;
        this.#newest.clear();
        break;
    }
    await this.#look();
  }

  /** The newest writer goes on until it is at the end, whatever the others do; then those end too. */
  async finish(late: readonly number[]): Promise<void> {
    const end = this.#history.length;
    const store = this.#store(1);
    const others = [...late];
    const otherGoesOn = async (): Promise<void> => {
      const choice = others.shift();
      if (choice !== undefined) await this.#writer(choice)?.step();
    };
    for (;;) {
      const { watermark, loading } = await store.position(this.#database, P0);
      if (Number(watermark) === end) break;
      const to = Number(loading ?? end);
      const writer = new Writer(store, this.#batch(Number(watermark), to));
      while (!writer.hasEnded) {
        await writer.step();
        await this.#look();
        await otherGoesOn();
        await this.#look();
      }
    }
    for (const writer of this.#writers) {
      while (!writer.hasEnded) {
        await writer.step();
        await this.#look();
      }
    }
    for (const entity of ENTITIES) {
      const { at, value } = this.#known(entity, end);
      const record = await store.entity(this.#database, entity);
      expect(record).toEqual(
        value === 0 ? undefined : { tx: BigInt(at), attributes: attributesOf(value) },
      );
    }
  }

  /** Entities that are there in the end. */
  expected(): readonly string[] {
    return ENTITIES.filter((entity) => this.#known(entity, this.#history.length).value > 0);
  }

  async #begin(store: number, from: number | undefined, to: number): Promise<void> {
    const at = await this.#store(store).position(this.#database, P0);
    const begins = Math.min(from ?? Number(at.watermark), this.#history.length - 1);
    const pinned = begins === 0 && from === undefined ? at.loading : undefined;
    const ends = Math.min(Number(pinned ?? begins + 1 + to), this.#history.length);
    if (ends <= begins) return;
    const writer = new Writer(this.#store(store), this.#batch(begins, ends));
    this.#writers.push(writer);
    await writer.waits();
  }

  #batch(from: number, to: number): ViewBatch {
    const entities = ENTITIES.map((entity) => ({ entity, ...this.#known(entity, to) }))
      .filter(({ at, value }) => at > from && (from > 0 || value > 0))
      .map(({ entity, at, value }) => ({
        entity,
        tx: tx(BigInt(at)),
        attributes: value === 0 ? undefined : attributesOf(value),
      }));
    const moments = { from: tx(BigInt(from)), to: tx(BigInt(to)) };
    return { database: this.#database, partition: P0 as PartitionNo, ...moments, entities };
  }

  /** An entity at a moment, by a fold of the history. */
  #known(entity: string, moment: number): Known {
    let known: Known = { at: 0, value: 0 };
    for (const [i, changes] of this.#history.slice(0, moment).entries())
      for (const [which, value] of changes)
        if (ENTITIES[which] === entity && (value > 0 || known.value > 0))
          known = { at: i + 1, value };
    return known;
  }

  /** Nothing is older than the watermark, nothing goes back, and every record is that of one moment. */
  async #look(): Promise<void> {
    const { watermark } = await this.#store(0).position(this.#database, P0);
    expect(watermark).toBeGreaterThanOrEqual(this.#watermark);
    this.#watermark = watermark;
    for (const entity of ENTITIES) {
      const record = await this.#store(1).entity(this.#database, entity);
      const past = this.#known(entity, Number(watermark));
      if (record === undefined) {
        const deleted = this.#history.some(
          (_, i) => i >= Number(watermark) && this.#known(entity, i + 1).value === 0,
        );
        expect(past.value === 0 || watermark === TX_NONE || deleted).toBe(true);
        continue;
      }
      const known = this.#known(entity, Number(record.tx));
      expect([BigInt(known.at), record.attributes]).toEqual([record.tx, attributesOf(known.value)]);
      expect(record.tx).toBeGreaterThanOrEqual(BigInt(past.at));
      expect(record.tx).toBeGreaterThanOrEqual(this.#newest.get(entity) ?? TX_NONE);
      this.#newest.set(entity, record.tx);
    }
  }

  /** One of those that have not ended; 0 is the newest. */
  #writer(number: number): Writer | undefined {
    const open = this.#writers.filter(({ hasEnded }) => !hasEnded);
    return open.at(-1 - (number % Math.max(1, open.length)));
  }

  #store(number: number): ViewStore {
    return must(this.#stores[number % this.#stores.length], 'two stores');
  }
}

function attributesOf(value: number): ReadonlyMap<string, string> {
  // Not all have the same attributes, so that one that was left behind shows.
  return new Map([[`x/${value}`, `${value}`], ...(value === 1 ? [] : [['y', '"y"'] as const])]);
}
