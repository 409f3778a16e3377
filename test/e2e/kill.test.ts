/**
 * SIGKILL at any moment. Writers over HTTP, a server that is killed again and again, and after every
 * restart the questions that matter: is every acknowledged transaction there (I1), none twice (I8),
 * none torn (I2), tx strictly rising (I3), and do answers equal a naive fold of the feed (I5)?
 *
 * A round is a life of the server. `PYRALOG_KILLS` sets how many; otherwise the time budget does.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Random } from './random.ts';
import { type Server, startServer } from './server.ts';

const SEED = Number(process.env['PYRALOG_SEED'] ?? Date.now() % 1_000_000);
const KILLS = Number(process.env['PYRALOG_KILLS'] ?? 200);
const BUDGET_MILLIS =
  process.env['PYRALOG_KILLS'] === undefined ? 75_000 : Number.POSITIVE_INFINITY;
const WRITERS = 4;

interface JsonFact {
  readonly entity: string;
  readonly attribute: string;
  readonly value: unknown;
  readonly tx: string;
  readonly operation: 'assert' | 'retract';
}

interface Committed {
  readonly tx: string;
  readonly facts: readonly JsonFact[];
}

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pyralog-kill-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

test(
  'nothing acknowledged is lost, doubled or torn when the server is killed at any moment',
  { timeout: 3_600_000 },
  async () => {
    const random = new Random(SEED);
    const witness = new Witness();
    const deadline = Date.now() + BUDGET_MILLIS;
    let kills = 0;
    while (kills < KILLS && Date.now() < deadline) {
      await using server = await startServer(['--data', dir], {
        // Small parts, so that kills also hit flushes and restarts also read runs.
        PYRALOG_PART_FACTS: String(random.pick([200, 2_000, 262_144])),
      });
      await witness.check(server);
      await live(server, witness, random);
      kills++;
    }
    await using last = await startServer(['--data', dir]);
    await witness.check(last);
    expect(await last.stop()).toBe(0);
    process.stdout.write(
      `kill test: seed ${SEED}, ${kills} kills, ${witness.acknowledged} acknowledged, ${witness.seen} transactions in the feed\n`,
    );
    expect(kills).toBeGreaterThanOrEqual(5);
    expect(witness.acknowledged).toBeGreaterThan(kills);
  },
);

/** Writers until the server dies under them. */
async function live(server: Server, witness: Witness, random: Random): Promise<void> {
  const delay = random.below(600);
  const seeds = Array.from({ length: WRITERS }, () => random.below(2 ** 31));
  const alive = { yes: true };
  const writers = seeds.map((seed, writer) =>
    write(server.url, writer, new Random(seed), witness, alive),
  );
  await new Promise((resolve) => setTimeout(resolve, delay));
  await server.kill();
  alive.yes = false;
  await Promise.all(writers);
}

async function write(
  url: string,
  writer: number,
  random: Random,
  witness: Witness,
  alive: { yes: boolean },
): Promise<void> {
  while (alive.yes) {
    const id = witness.nextId(writer);
    // A pair that is always written together: a torn transaction shows as two different values.
    const pair = random.below(20);
    const value = `${id}`;
    const operations: unknown[] = [
      { op: 'assert', entity: `left:${pair}`, attribute: 'pair/value', value },
      { op: 'assert', entity: `right:${pair}`, attribute: 'pair/value', value },
      {
        entity: `many:${random.below(5)}`,
        'many/tag': [`t${random.below(30)}`, `u${random.below(30)}`],
      },
    ];
    if (random.below(4) === 0)
      operations.push({ op: 'retractEntity', entity: `many:${5 + random.below(5)}` });
    else
      operations.push({
        entity: `many:${5 + random.below(5)}`,
        'many/tag': [`v${random.below(9)}`],
      });
    try {
      const response = await fetch(`${url}/v1/main/transactions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id, meta: { author: `writer:${writer}` }, ops: operations }),
      });
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
      witness.acknowledge(id, (await response.json()) as Committed);
    } catch (error) {
      // The server died under the request: whether it was committed is for the feed to say.
      if (!(error instanceof TypeError) && alive.yes) throw error;
      return;
    }
  }
}

/** Remembers what was promised, and compares it with what the server tells after each restart. */
class Witness {
  readonly #promised = new Map<string, Committed>();
  readonly #unchecked = new Set<string>();
  readonly #ids = new Map<string, string>();
  readonly #next: number[] = Array.from({ length: WRITERS }, () => 0);
  /** Facts in force by a naive fold of the feed. */
  readonly #state = new Map<string, JsonFact>();
  #offset = '-1';
  #lastTx = 0n;
  seen = 0;

  get acknowledged(): number {
    return this.#promised.size;
  }

  nextId(writer: number): string {
    const number = this.#next[writer] as number;
    this.#next[writer] = number + 1;
    return `w${writer}-${number}`;
  }

  acknowledge(id: string, result: Committed): void {
    this.#promised.set(id, result);
    this.#unchecked.add(id);
  }

  async check({ url }: Server): Promise<void> {
    await this.#followFeed(url);
    for (const id of this.#unchecked) {
      const promised = this.#promised.get(id) as Committed;
      expect(this.#ids.get(id), `I1: acknowledged ${id} is in the log`).toBe(promised.tx);
    }
    this.#unchecked.clear();
    const state = await this.#pages(`${url}/v1/main/state?index=eavt`);
    expect(state.map(show), 'I5: state equals the fold of the feed').toEqual(
      [...this.#state.values()].map(show).sort(compareBytes),
    );
    for (const fact of state.filter((f) => f.entity.startsWith('left:'))) {
      const other = state.find((f) => f.entity === fact.entity.replace('left', 'right'));
      expect(other?.value, `I2: ${fact.entity} and its partner`).toBe(fact.value);
    }
  }

  async #followFeed(url: string): Promise<void> {
    const response = await fetch(`${url}/v1/main/feed?offset=${encodeURIComponent(this.#offset)}`);
    expect(response.status).toBe(200);
    for (const line of (await response.text()).split('\n')) {
      if (line === '') continue;
      const event = JSON.parse(line) as { offset: string; tx?: string; facts?: JsonFact[] };
      this.#offset = event.offset;
      if (event.facts === undefined) continue;
      this.#fold({ tx: event.tx as string, facts: event.facts });
    }
  }

  #fold(transaction: Committed): void {
    expect(BigInt(transaction.tx) > this.#lastTx, 'I3: tx rises').toBe(true);
    this.#lastTx = BigInt(transaction.tx);
    this.seen++;
    for (const fact of transaction.facts) {
      const key = JSON.stringify([fact.entity, fact.attribute, fact.value]);
      if (fact.operation === 'assert') {
        expect(this.#state.has(key), `asserted twice: ${key}`).toBe(false);
        this.#state.set(key, fact);
      } else expect(this.#state.delete(key), `retracted but not in force: ${key}`).toBe(true);
      if (fact.attribute === 'tx/key') {
        const id = fact.value as string;
        expect(this.#ids.has(id), `I8: ${id} is in the log once`).toBe(false);
        this.#ids.set(id, transaction.tx);
        const promised = this.#promised.get(id);
        if (promised) expect(transaction.facts.map(show)).toEqual(promised.facts.map(show));
      }
    }
  }

  async #pages(address: string): Promise<JsonFact[]> {
    const facts: JsonFact[] = [];
    for (let cursor: string | undefined; ;) {
      const response = await fetch(cursor === undefined ? address : `${address}&cursor=${cursor}`);
      expect(response.status).toBe(200);
      const page = (await response.json()) as { facts: JsonFact[]; next?: string };
      facts.push(...page.facts);
      if (page.next === undefined || page.next === null) return facts;
      cursor = page.next;
    }
  }
}

const show = (fact: JsonFact): string =>
  `${fact.entity}\u0000${fact.attribute}\u0000${JSON.stringify(fact.value)} ${fact.tx} ${fact.operation}`;

const compareBytes = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));
