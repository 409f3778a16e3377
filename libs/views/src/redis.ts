import { randomBytes } from 'node:crypto';
import { assert } from '@pyralog/base';
import { type PartitionNo, tx, TX_NONE, type Tx } from '@pyralog/model';
import { redisAddress, RedisCalls, SILENCE_MILLIS_MAX } from '@pyralog/redis';
import {
  BEGIN,
  CLEAR,
  CLEARED,
  END,
  FORGET,
  type RedisScript,
  UNLINK,
  WRITE,
} from './redis-scripts.ts';
import {
  assertDatabase,
  assertEntity,
  assertStep,
  clearedByAnother,
  viewsClosed,
} from './rules.ts';
import type {
  EntityView,
  StoredView,
  ViewBatch,
  ViewOutcome,
  ViewPosition,
  ViewStore,
} from './views.ts';

/** Where views lie. */
export interface RedisViewsOptions {
  /** `redis://[name:password@]host[:port][/database]`, or `rediss://`. */
  readonly url: string;
  /** A server from which nothing has come for so long is taken for lost; default 15,000 ms. */
  readonly silenceMillisMax?: number | undefined;
  /** Records that are written in one step; default 100. Tests take fewer. */
  readonly stepRecordsMax?: number | undefined;
}

const STEP_RECORDS_MAX = 100;
/** Bounds of one step besides its records: Redis serves nobody else meanwhile. A record is never cut. */
const STEP_FIELDS_MAX = 2_000;
const STEP_BYTES_MAX = 128 * 1024;
/** Keys or fields that one step of a scan looks at. */
const SCAN_COUNT = 500;

/** Field of the newest transaction of a record. */
const TX_FIELD = ':tx';

/**
 * Views in Redis 7 or later, for which others are clients too:
 *
 * | key | |
 * |---|---|
 * | `<db>:e:<entity>` | hash: attribute to JSON; `:tx`, the newest transaction in it |
 * | `<db>:v:<partition>` | hash: `watermark`; `loading`, the moment of a load that has not ended |
 * | `<db>:v:<partition>:gone` | hash: entities that were deleted above the watermark, to the tx |
 * | `<db>:v` | hash: `incarnation`, another one after each clearing; `clearing`, who clears |
 *
 * Every step is a script that looks at the incarnation and the watermark first, so that a writer who has been
 * cut off, or whose commands come late, can do no harm. A batch is written on one connection: a server that
 * comes back may have lost what it had not on disk, and then the batch is not whole.
 *
 * Memory is to be set to `noeviction`: a record that Redis drops by itself is missed by nobody here.
 */
export class RedisViews implements ViewStore {
  readonly #calls: RedisCalls;
  readonly #stepRecordsMax: number;
  #closed = false;

  /** @throws PyralogError `parameter-invalid` where the address is none */
  constructor({
    url,
    silenceMillisMax = SILENCE_MILLIS_MAX,
    stepRecordsMax = STEP_RECORDS_MAX,
  }: RedisViewsOptions) {
    assert(silenceMillisMax > 0 && stepRecordsMax > 0, 'a step has something, and time');
    this.#calls = new RedisCalls(redisAddress(url), silenceMillisMax);
    this.#stepRecordsMax = stepRecordsMax;
  }

  async ping(): Promise<void> {
    await this.#guarded('Views cannot be kept', () => this.#calls.client.ping());
  }

  async position(database: string, partition: PartitionNo): Promise<ViewPosition> {
    return this.#run(
      database,
      `The position of the views of ${database} is not known`,
      async () => {
        const [whole, part] = keysOf(database, partition);
        const { client } = this.#calls;
        const [clearing, [watermark, loading]] = await Promise.all([
          client.hexists(whole, 'clearing'),
          client.hmget(part, 'watermark', 'loading') as Promise<[string | null, string | null]>,
        ]);
        if (clearing === 1) return { watermark: TX_NONE, loading: undefined, clearing: true };
        return {
          watermark: txOf(watermark) ?? TX_NONE,
          loading: txOf(loading),
          clearing: false,
        };
      },
    );
  }

  async apply(batch: ViewBatch): Promise<ViewOutcome> {
    assertStep(batch);
    const { database, partition, from, to } = batch;
    const failed = `The views of partition ${partition} of ${database} are not brought to ${to}`;
    const call = <T>(send: () => Promise<T>): Promise<T> => this.#guarded(failed, send);

    const keys = keysOf(database, partition);
    const span = [from.toString(), to.toString()];
    const [begun, connection] = await call(async () => {
      const { number } = this.#calls;
      const own = randomBytes(12).toString('hex');
      return [await this.#script(BEGIN, keys, [own, ...span], number), number] as const;
    });
    if (!Array.isArray(begun)) return begun as ViewOutcome;

    const head = [begun[0] as string, ...span];
    const step = new Step(database);
    const write = async (): Promise<ViewOutcome | ''> => {
      const names = [...keys, ...step.keys];
      const values = [...head, step.prefixBytes, ...step.values];
      const outcome = await call(() => this.#script(WRITE, names, values, connection));
      step.clear();
      return outcome as ViewOutcome | '';
    };
    for await (const view of batch.entities) {
      assertEntity(view, from, to);
      step.add(view);
      if (step.keys.length < this.#stepRecordsMax && !step.isFull) continue;
      const outcome = await write();
      if (outcome !== '') return outcome;
    }
    if (step.keys.length > 0) {
      const outcome = await write();
      if (outcome !== '') return outcome;
    }
    const ended = await call(() => this.#script(END, keys, head, connection));
    if (!Array.isArray(ended)) return ended as ViewOutcome;
    if (ended[0] !== 0) await call(() => this.#forget(keys));
    return 'applied';
  }

  async entity(database: string, entity: string): Promise<StoredView | undefined> {
    return this.#run(database, `An entity of ${database} cannot be read`, async () => {
      const fields = new Map(
        Object.entries(await this.#calls.client.hgetall(entityKey(database, entity))),
      );
      const newest = txOf(fields.get(TX_FIELD) ?? null);
      if (newest === undefined) return undefined;
      fields.delete(TX_FIELD);
      return { tx: newest, attributes: fields };
    });
  }

  async clear(database: string): Promise<void> {
    await this.#run(database, `The views of ${database} are not cleared`, async () => {
      const { client, number } = this.#calls;
      const [whole] = keysOf(database, 0 as PartitionNo);
      const own = randomBytes(12).toString('hex');
      const clear = async (script: RedisScript, keys: readonly string[]): Promise<void> => {
        const done = await this.#script(script, [whole, ...keys], [own], number);
        if (done !== 1) throw clearedByAnother(database);
      };
      await clear(CLEAR, []);
      // Nothing comes that was not there when the scan began, and what was there it finds.
      const pattern = `${database}:[ev]:*`;
      let cursor = '0';
      do {
        this.#calls.assertSame(number);
        const [next, keys] = await client.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
        if (keys.length > 0) await clear(UNLINK, keys);
        cursor = next;
      } while (cursor !== '0');
      await clear(CLEARED, []);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#calls.close();
  }

  async #run<T>(database: string, failed: string, call: () => Promise<T>): Promise<T> {
    assertDatabase(database);
    return this.#guarded(failed, call);
  }

  async #guarded<T>(failed: string, call: () => Promise<T>): Promise<T> {
    if (this.#closed) throw viewsClosed();
    try {
      return await this.#calls.run(failed, call);
    } catch (error) {
      if (this.#closed) throw viewsClosed();
      throw error;
    }
  }

  /** @param connection the number of the connection that it must be sent on */
  async #script(
    { lua, sha1 }: RedisScript,
    keys: readonly string[],
    values: readonly (string | number)[],
    connection: number,
  ): Promise<unknown> {
    const rest = [keys.length, ...keys, ...values];
    const send = (command: string, what: string): Promise<unknown> => {
      this.#calls.assertSame(connection);
      return this.#calls.client.call(command, [what, ...rest]);
    };
    try {
      return await send('EVALSHA', sha1);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return send('EVAL', lua);
    }
  }

  async #forget([, part, gone]: Keys): Promise<void> {
    let cursor = '0';
    do {
      const { number } = this.#calls;
      cursor = (await this.#script(FORGET, [part, gone], [cursor, SCAN_COUNT], number)) as string;
    } while (cursor !== '0');
  }
}

/** Of the database, of the partition, of its deleted entities. */
type Keys = readonly [string, string, string];

function keysOf(database: string, partition: PartitionNo): Keys {
  const whole = `${database}:v`;
  return [whole, `${whole}:${partition}`, `${whole}:${partition}:gone`];
}

function entityKey(database: string, entity: string): string {
  return `${database}:e:${entity}`;
}

function txOf(text: string | null | undefined): Tx | undefined {
  return text === null || text === undefined ? undefined : tx(BigInt(text));
}

/** Records that are written together. */
class Step {
  readonly keys: string[] = [];
  readonly values: (string | number)[] = [];
  /** Of what the keys begin with. */
  readonly prefixBytes: number;
  readonly #database: string;
  #characters = 0;

  constructor(database: string) {
    this.#database = database;
    this.prefixBytes = entityKey(database, '').length;
  }

  get isFull(): boolean {
    return this.values.length >= STEP_FIELDS_MAX || this.#characters >= STEP_BYTES_MAX;
  }

  add({ entity, tx: newest, attributes = new Map() }: EntityView): void {
    const key = entityKey(this.#database, entity);
    this.keys.push(key);
    this.values.push(newest.toString(), 2 * attributes.size);
    this.#characters += key.length;
    for (const [attribute, json] of attributes) {
      this.values.push(attribute, json);
      this.#characters += attribute.length + json.length;
    }
  }

  clear(): void {
    this.keys.length = 0;
    this.values.length = 0;
    this.#characters = 0;
  }
}
