/**
 * Documents that other programs publish: with their own clients, codecs and keys, as transactions, plain documents
 * or Arrow. Each becomes facts, or a record in the topic of rejects that says why not.
 */
import { ints, ipc, texts } from '@pyralog/arrow/testing';
import { parseJson, printJson } from '@pyralog/model';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { Cluster, create } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { CODECS, type Message, publishers, type Target } from './publish-support.ts';
import { headersOf, Topics } from './topics.ts';
import { eventually } from './waiting.ts';

/** Messages of one call: more facts than a part has. */
const MANY = 3_000;

let cluster: Cluster;
let api: ClusterProcess;
let topics: Topics;
beforeAll(async () => {
  cluster = await Cluster.start();
  topics = await Topics.open(cluster);
  [api] = await Promise.all([cluster.run('api'), cluster.run('sequencer'), cluster.run('indexer')]);
});
afterAll(async () => {
  await topics?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

/** A database of its own, which a producer publishes to. */
class Published {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  static async create(name: string): Promise<Published> {
    onTestFailed(() => void process.stderr.write(cluster.errors));
    await create(api, name);
    return new Published(name);
  }

  target(options: Partial<Target> = {}): Target {
    return { broker: cluster.kafka.address, topic: `${this.name}.transactions`, ...options };
  }

  /** What is in force of an entity; undefined where there is nothing. */
  async entity(id: string): Promise<unknown> {
    const response = await fetch(`${api.url}/v1/${this.name}/entities/${encodeURIComponent(id)}`);
    const { attributes } = (await response.json()) as { readonly attributes?: unknown };
    return response.status === 404 ? undefined : attributes;
  }

  /** Entities of an attribute by value, when there are so many. */
  async holders(attribute: string, count: number): Promise<ReadonlyMap<unknown, string>> {
    const found = new Map<unknown, string>();
    await eventually(`${count} entities have ${attribute}`, async () => {
      const query = `index=aevt&attribute=${attribute}&limit=10000`;
      const response = await fetch(`${api.url}/v1/${this.name}/state?${query}`);
      const { facts } = (await response.json()) as {
        readonly facts: readonly { readonly entity: string; readonly value: unknown }[];
      };
      for (const { entity, value } of facts) found.set(value, entity);
      expect(found.size).toBe(count);
    });
    return found;
  }

  /** What is in the topic of rejects, when there is so much. */
  async rejects(count: number) {
    const topic = `${this.name}.rejects`;
    await eventually(`${count} rejects of ${this.name}`, async () => {
      expect(await topics.end(topic)).toBe(count);
    });
    return topics.read(topic);
  }

  /** The topic of changes has each transaction once, in order, as the feed has it. */
  async checkChanges(): Promise<void> {
    const response = await fetch(`${api.url}/v1/${this.name}/feed?offset=-1`);
    const lines = (await response.text()).split('\n').filter((line) => line.includes('"facts"'));
    await eventually(`the changes of ${this.name}`, async () => {
      const records = await topics.read(`${this.name}.changes`);
      const texts = records.map(({ value }) => printJson(parseJson(value ?? '')));
      expect(texts).toEqual(lines.map((line) => printJson(parseJson(line))));
    });
    const order = lines.map((line) => BigInt((JSON.parse(line) as { tx: string }).tx));
    expect(order).toEqual(order.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(new Set(order).size).toBe(order.length);
  }
}

const transaction = (...ops: readonly unknown[]): string => JSON.stringify({ ops });

describe.each(publishers().map((publisher, i) => [publisher.name, publisher, i] as const))(
  '%s',
  (_, publisher, index) => {
    const { reason } = publisher;
    const skipped = reason !== '' && process.env['CI'] !== 'true';
    const on = test.skipIf(skipped);
    const fresh = (what: string): Promise<Published> => {
      expect(reason).toBe('');
      return Published.create(`${what}-${index}`);
    };

    on(`transactions with a key and without become facts, many in one call ${reason}`, async () => {
      const database = await fresh('facts');
      const messages = Array.from({ length: MANY }, (__, n): Message => {
        const entity = `paper:${n}`;
        const value = transaction({ entity, number: n, title: `Näme ${n} 😀` });
        return n % 3 === 0 ? { value } : { key: entity, value };
      });
      await publisher.send(database.target(), messages);
      const holders = await database.holders('number', messages.length);
      for (let n = 0; n < messages.length; n++) expect(holders.get(n)).toBe(`paper:${n}`);
      expect(await database.entity('paper:77')).toEqual({ number: 77, title: 'Näme 77 😀' });
      await database.checkChanges();
    });

    on(`what is refused is in the topic of rejects, with its reason ${reason}`, async () => {
      const database = await fresh('rejects');
      const refused = [
        { key: 'a', value: 'no JSON', code: 'json-malformed', says: /value/ },
        { value: '{"opps":[]}', code: 'document-invalid', says: /no field "opps"/ },
        { key: 'a', value: null, code: 'document-invalid', says: /no value/ },
        {
          key: 'a',
          value: transaction({ op: 'cas', entity: 'a', attribute: 'n', old: 7, new: 8 }),
          code: 'cas-failed',
          says: /"n" of "a"/,
        },
        { value: transaction({ entity: 'a', n: 'x' }), code: 'type-mismatch', says: /"n"/ },
      ];
      const first = { key: 'a', value: transaction({ entity: 'a', n: 1 }) };
      const last = { key: 'b', value: transaction({ entity: 'b', n: 2 }) };
      await publisher.send(database.target({ headers: { trace: 'abc' } }), [
        first,
        ...refused,
        last,
      ]);
      const rejects = await database.rejects(refused.length);
      expect(rejects.map(({ key }) => key && Buffer.from(key).toString())).toEqual(
        refused.map(({ key }) => key),
      );
      expect(rejects.map(({ value }) => value && Buffer.from(value).toString())).toEqual(
        refused.map(({ value }) => value),
      );
      expect(rejects.map(headersOf)).toEqual(
        refused.map(({ code, says }, n) =>
          expect.objectContaining({
            trace: 'abc',
            'pyralog-code': code,
            'pyralog-detail': expect.stringMatching(says),
            'pyralog-partition': '0',
            'pyralog-offset': String(n + 1),
          }),
        ),
      );
      await database.holders('n', 2);
      await database.checkChanges();
    });

    on(`plain documents have their entity as key, and a tombstone ends it ${reason}`, async () => {
      const database = await fresh('plain');
      const target = database.target({ headers: { 'pyralog-format': 'document' } });
      await publisher.send(target, [
        { key: 'person:1', value: '{"name":"Alice","email":["a@x","b@x"],"age":30}' },
        { key: 'person:2', value: '{"name":"Bob","friend":{"ref":"person:1"}}' },
        { key: 'person:1', value: '{"age":null,"name":"Alicia"}' },
        { key: 'person:2', value: null },
        { value: '{"name":"Nobody"}' },
        { key: 'person:3', value: '{"name":"Carol"}' },
      ]);
      await database.holders('name', 2);
      expect(await database.entity('person:1')).toEqual({
        name: 'Alicia',
        email: ['a@x', 'b@x'],
      });
      expect(await database.entity('person:2')).toBeUndefined();
      expect((await database.rejects(1)).map(headersOf)).toMatchObject([
        { 'pyralog-code': 'document-invalid', 'pyralog-offset': '4' },
      ]);
      await database.checkChanges();
    });

    on.each(CODECS)(`batches that are compressed with %s ${reason}`, async (codec) => {
      const database = await fresh(codec);
      const messages = Array.from({ length: 100 }, (__, n) => ({
        key: `e:${n}`,
        value: transaction({
          entity: `e:${n}`,
          number: n,
          text: 'the same again and again '.repeat(20),
        }),
      }));
      await publisher.send(database.target({ codec }), messages);
      await database.holders('number', messages.length);
    });

    // Lines of text are all that some can send.
    if (!publisher.takesBytes) return;

    on(`Arrow becomes facts ${reason}`, async () => {
      const database = await fresh('arrow');
      const rows = Array.from({ length: 1_000 }, (__, n) => n);
      const table = ipc([
        texts(
          'entity',
          rows.map((n) => `row:${n}`),
        ),
        ints(
          'number',
          rows.map((n) => BigInt(n)),
        ),
      ]);
      const operations = ipc(
        [
          texts('op', ['retractEntity', 'assert']),
          texts('entity', ['row:0', 'other']),
          texts('attribute', [null, 'name']),
          texts('value', [null, 'x']),
        ],
        { kind: 'file', metadata: { 'pyralog.id': 'k' } },
      );
      const target = database.target({ headers: { 'pyralog-format': 'arrow' } });
      await publisher.send(target, [
        { value: table },
        { value: table.subarray(0, table.length - 100) },
        { value: operations },
        { value: operations },
      ]);
      const holders = await database.holders('number', rows.length - 1);
      expect(holders.get(999)).toBe('row:999');
      expect(await database.entity('other')).toEqual({ name: 'x' });
      const [reject] = await database.rejects(1);
      expect(reject && headersOf(reject)).toMatchObject({
        'pyralog-code': 'document-invalid',
        'pyralog-offset': '1',
      });
      expect(reject?.value?.length).toBe(table.length - 100);
      await database.checkChanges();
    });
  },
);
