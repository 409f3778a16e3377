import { expect } from 'vitest';
import { documentOf } from './documents.ts';
import { type KilledDatabase, type Life, undying } from './killing.ts';
import type { Random } from './random.ts';
import { Witness } from './witness.ts';
import { type Sent, writeSingly, writeStream, type WriterOptions } from './writers.ts';

const SINGLE_WRITERS = 3;
/** One transaction in so many has a long value. */
const LONG_OF = 25;

/** What was sent to a database, and what of it is to be sent again. */
export class Sendings {
  readonly #witness: Witness;
  readonly #random: Random;
  /** Without outcome, in the order in which it was sent. */
  #unheard: Sent[] = [];
  /** Some of the newest that were sent and may be again. */
  #recent: Sent[] = [];
  #repeats = 0;

  constructor(witness: Witness, random: Random) {
    this.#witness = witness;
    this.#random = random;
  }

  /** A life begins. */
  begin(): this {
    this.#repeats = 1;
    return this;
  }

  /** First what has no outcome, then something that has one, then what is new. */
  next(make: () => Sent): Sent {
    const unheard = this.#unheard.shift();
    if (unheard !== undefined) return unheard;
    const known = this.#recent.filter(({ key }) => this.#witness.promisedTx(key) !== undefined);
    if (this.#repeats-- > 0 && known.length > 0) return this.#random.pick(known);
    const sent = make();
    if (sent.isKeyed) this.#recent = [...this.#recent.slice(-20), sent];
    return sent;
  }

  /** The server died before these had an outcome. What has no idempotency key is not sent again. */
  died(unheard: readonly Sent[]): void {
    this.#unheard = [...unheard.filter(({ isKeyed }) => isKeyed), ...this.#unheard];
  }

  /** Sends what has no outcome, one after the other. */
  async settle(options: Omit<WriterOptions, 'next'>): Promise<void> {
    const left = this.#unheard.splice(0);
    await writeSingly({ ...options, next: () => left.shift() });
  }
}

/** A database that is told documents with pairs; in import mode each is later than the one before. */
export class ToldDatabase implements KilledDatabase {
  readonly name: string;
  readonly partitions: number;
  readonly witness: Witness;
  readonly #mode: 'live' | 'import';
  readonly #random: Random;
  readonly #sendings: Sendings;
  #atSeconds = 946_684_800;

  constructor(name: string, mode: 'live' | 'import', random: Random, partitions = 1) {
    this.name = name;
    this.partitions = partitions;
    this.witness = new Witness(name, { partitions });
    this.#mode = mode;
    this.#random = random;
    this.#sendings = new Sendings(this.witness, random);
  }

  async make(url: string): Promise<void> {
    await putDatabase(url, this.name, { mode: this.#mode, partitions: this.partitions });
  }

  async live(life: Life): Promise<void> {
    const sendings = this.#sendings.begin();
    const options = { ...this.#writer(life), next: () => sendings.next(() => this.#document()) };
    // History comes in one stream; what lives is written by many at once.
    const single = this.#mode === 'import' ? 0 : SINGLE_WRITERS;
    const unheard = await Promise.all([
      writeStream(options, this.#random.pick([1, 20, 200])),
      ...Array.from({ length: single }, () => writeSingly(options)),
    ]);
    this.#sendings.died(unheard.flat());
  }

  async settle(url: string): Promise<void> {
    await this.#sendings.settle(this.#writer(undying(url)));
  }

  #writer(life: Life): Omit<WriterOptions, 'next'> {
    return { ...life, database: this.name, witness: this.witness };
  }

  #document(): Sent {
    const key = this.witness.nextKey();
    const at =
      this.#mode === 'import' ? new Date(this.#atSeconds++ * 1_000).toISOString() : undefined;
    return { key, body: documentOf(key, this.#random, at, LONG_OF), isKeyed: true };
  }
}

/** Makes a database where it is not there. */
export async function putDatabase(
  url: string,
  name: string,
  options: { readonly mode?: 'live' | 'import'; readonly partitions: number },
): Promise<void> {
  const response = await fetch(`${url}/v1/${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(options),
  });
  expect([200, 201], await response.text()).toContain(response.status);
}
