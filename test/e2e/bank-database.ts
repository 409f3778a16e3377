import { setTimeout as sleep } from 'node:timers/promises';
import { Accounts, BALANCE, BankRule, HANDLE } from './bank.ts';
import { documentOf } from './documents.ts';
import { type KilledDatabase, type Life, undying } from './killing.ts';
import type { Random } from './random.ts';
import { PAIRS } from './rules.ts';
import { Teller } from './teller.ts';
import { putDatabase, Sendings } from './told.ts';
import { Witness } from './witness.ts';
import { type Sent, untilCut, writeSingly, writeStream, type WriterOptions } from './writers.ts';

const TELLERS = 8;
/** Between two readings of one reader, at most, in milliseconds. */
const PAUSE_MILLIS_MAX = 100;
/** One of so many transactions of the stream is the bank's; the others are written blindly. */
const BANK_OF = 4;
/** One transaction in so many has a long value. */
const LONG_OF = 25;

/** A bank whose accounts lie on several partitions, beside pairs, and readers beside the writers. */
export class BankDatabase implements KilledDatabase {
  readonly name = 'bank';
  readonly partitions: number;
  readonly witness: Witness;
  readonly #random: Random;
  readonly #accounts: Accounts;
  readonly #teller: Teller;
  readonly #sendings: Sendings;

  constructor(partitions: number, random: Random) {
    this.partitions = partitions;
    this.#random = random;
    this.#accounts = new Accounts(partitions);
    this.#teller = new Teller(this.#accounts, random);
    const rules = [new BankRule(this.#accounts), PAIRS];
    this.witness = new Witness(this.name, { partitions, rules });
    this.#sendings = new Sendings(this.witness, random);
  }

  async make(url: string): Promise<void> {
    await putDatabase(url, this.name, { partitions: this.partitions });
    if (this.witness.acknowledged > 0) return;
    const opening = [...this.#accounts.opening];
    await writeSingly({ ...this.#writer(undying(url)), next: () => opening.shift() });
  }

  async live(life: Life): Promise<void> {
    await untilCut(life.alive, this.#look(life.url));
    const sendings = this.#sendings.begin();
    const writer = this.#writer(life);
    const tellers = { ...writer, next: () => sendings.next(() => this.#order()) };
    const stream = { ...writer, next: () => sendings.next(() => this.#mixed()) };
    const [unheard] = await Promise.all([
      Promise.all([
        writeStream(stream, this.#random.pick([1, 20, 100])),
        ...Array.from({ length: TELLERS }, () => writeSingly(tellers)),
      ]),
      untilCut(life.alive, this.#lookOn(life.url)),
      untilCut(
        life.alive,
        this.witness.overhear(life.url, () => this.#pause()),
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
      committed: (answer) => this.#teller.learn(answer),
      refresh: () => this.#look(life.url),
    };
  }

  async #look(url: string): Promise<void> {
    for (const attribute of [BALANCE, HANDLE]) {
      const { basis, facts } = await this.witness.look(url, attribute);
      this.#teller.learnAll(attribute, basis, facts);
    }
  }

  async #lookOn(url: string): Promise<never> {
    for (;;) {
      await this.#look(url);
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return sleep(this.#random.below(PAUSE_MILLIS_MAX));
  }

  #order(): Sent {
    return this.#teller.next(this.witness.nextKey());
  }

  #mixed(): Sent {
    if (this.#random.below(BANK_OF) === 0) return this.#order();
    const key = this.witness.nextKey();
    return { key, body: documentOf(key, this.#random, undefined, LONG_OF), isKeyed: true };
  }
}
