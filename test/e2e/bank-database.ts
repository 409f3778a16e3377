import { setTimeout as sleep } from 'node:timers/promises';
import { Accounts, BALANCE, BankRule, HANDLE, WATCH } from './bank.ts';
import { documentOf } from './documents.ts';
import { type KilledDatabase, type Life, undying } from './killing.ts';
import type { Random } from './random.ts';
import { PAIRS } from './rules.ts';
import { Teller } from './teller.ts';
import { putDatabase, Sendings } from './told.ts';
import { type Committed, Witness } from './witness.ts';
import { type Sent, untilCut, writeSingly, writeStream, type WriterOptions } from './writers.ts';

const TELLERS = 8;
/** Between two readings of one reader, at most, in milliseconds. */
const PAUSE_MILLIS_MAX = 100;
/** One of so many transactions of the stream is the bank's; the others are written blindly. */
const BANK_OF = 4;
/** One transaction in so many is sent twice at once, where it has an idempotency key. */
const TWICE_OF = 8;
/** One transaction in so many has a long value. */
const LONG_OF = 25;

/** A bank whose accounts lie on several partitions, beside pairs: what writers make, and what is remembered of it. */
export class Bank {
  readonly witness: Witness;
  readonly opening: readonly Sent[];
  readonly #random: Random;
  readonly #teller: Teller;

  constructor(database: string, partitions: number, random: Random) {
    const accounts = new Accounts(partitions);
    const rules = [new BankRule(accounts), PAIRS];
    this.witness = new Witness(database, { partitions, rules });
    this.opening = accounts.opening;
    this.#random = random;
    this.#teller = new Teller(accounts, random);
  }

  /** A transaction of the bank, on what is known of it. */
  order(): Sent {
    return this.#teller.next(this.witness.nextKey());
  }

  /** One of the bank among others that are written blindly. */
  mixed(): Sent {
    if (this.#random.below(BANK_OF) === 0) return this.order();
    const key = this.witness.nextKey();
    return { key, body: documentOf(key, this.#random, undefined, LONG_OF), isKeyed: true };
  }

  committed(answer: Committed): void {
    this.#teller.learn(answer);
  }

  /** Reads all that its transactions are made of, while others write. */
  async look(url: string): Promise<void> {
    for (const attribute of [BALANCE, HANDLE, WATCH]) {
      const { basis, facts } = await this.witness.look(url, attribute);
      this.#teller.learnAll(attribute, basis, facts);
    }
  }
}

/** A bank under kills, with readers beside the writers. */
export class BankDatabase implements KilledDatabase {
  readonly name = 'bank';
  readonly partitions: number;
  readonly witness: Witness;
  readonly #random: Random;
  readonly #bank: Bank;
  readonly #sendings: Sendings;

  constructor(partitions: number, random: Random) {
    this.partitions = partitions;
    this.#random = random;
    this.#bank = new Bank(this.name, partitions, random);
    this.witness = this.#bank.witness;
    this.#sendings = new Sendings(this.witness, random);
  }

  async make(url: string): Promise<void> {
    await putDatabase(url, this.name, { partitions: this.partitions });
    if (this.witness.acknowledged > 0) return;
    const opening = [...this.#bank.opening];
    await writeSingly({ ...this.#writer(undying(url)), next: () => opening.shift() });
  }

  async live(life: Life): Promise<void> {
    const { url, alive } = life;
    await untilCut(alive, this.#bank.look(url));
    const sendings = this.#sendings.begin();
    const writer = this.#writer(life);
    const tellers = {
      ...writer,
      next: () => sendings.next(() => this.#bank.order()),
      isTwice: () => this.#random.below(TWICE_OF) === 0,
    };
    const stream = { ...writer, next: () => sendings.next(() => this.#bank.mixed()) };
    const [unheard] = await Promise.all([
      Promise.all([
        writeStream(stream, this.#random.pick([1, 20, 100])),
        ...Array.from({ length: TELLERS }, () => writeSingly(tellers)),
      ]),
      untilCut(
        alive,
        this.#again(() => this.#bank.look(url)),
      ),
      untilCut(
        alive,
        this.#again(() => this.witness.overhear(url)),
      ),
    ]);
    this.#sendings.died(unheard.flat());
  }

  async settle(url: string): Promise<void> {
    await this.#sendings.settle(this.#writer(undying(url)));
  }

  #writer(life: Life): Omit<WriterOptions, 'next'> {
    return {
      ...life,
      database: this.name,
      witness: this.witness,
      committed: (answer) => this.#bank.committed(answer),
      refresh: () => this.#bank.look(life.url),
    };
  }

  /** Until it fails. */
  async #again(reading: () => Promise<void>): Promise<never> {
    for (;;) {
      await reading();
      await sleep(this.#random.below(PAUSE_MILLIS_MAX));
    }
  }
}
