import type { Choice } from './choice.ts';
import type { SimProcess } from './process.ts';

/** Kinds of processes of the product, as faults concern them. */
export const COMPONENTS = ['sequencer', 'indexer', 'reader', 'writer'] as const;
/** One of them. */
export type Component = (typeof COMPONENTS)[number];

/**
 * What a component must make of a fault. `survives`: it goes on by itself, and nobody sees more than a
 * delay. `refuses`: it may also answer with an error, as long as the error is true. `detects`: it must find
 * out, and tell or try again, and never act on what it got. `-`: it does not meet it.
 */
export type Expectation = 'survives' | 'refuses' | 'detects' | '-';

/** A fault, and what each component must make of it. */
export interface FaultRow {
  readonly what: string;
  readonly expected: Readonly<Record<Component, Expectation>>;
}

const row = (
  what: string,
  sequencer: Expectation,
  indexer: Expectation,
  reader: Expectation,
  writer: Expectation,
): FaultRow => ({ what, expected: { sequencer, indexer, reader, writer } });

/** Name of a fault of the table. */
export type FaultName =
  | 'append-fails'
  | 'append-unheard'
  | 'append-late'
  | 'append-lost'
  | 'append-twice'
  | 'offset-gap'
  | 'read-fails'
  | 'log-slow'
  | 'log-away'
  | 'retention-cut'
  | 'put-fails'
  | 'put-unheard'
  | 'put-own-exists'
  | 'get-fails'
  | 'bucket-slow'
  | 'bucket-away'
  | 'list-stale'
  | 'range-short'
  | 'bit-flip'
  | 'clock-skew'
  | 'clock-back'
  | 'clock-forward'
  | 'kill'
  | 'pause'
  | 'straggler'
  | 'two-owners'
  | 'no-owner'
  | 'kill-at-record'
  | 'message-lost'
  | 'message-late'
  | 'message-twice';

/**
 * Every fault of the simulated world, and what each component must make of it. A fault that is not in the
 * table is a mistake of the simulation: nobody has said what to expect.
 */
export const FAULTS: Readonly<Record<FaultName, FaultRow>> = {
  'append-fails': row('an append fails, and is not in the log', 'refuses', '-', '-', 'refuses'),
  'append-unheard': row('an append is in the log, and fails', 'refuses', '-', '-', 'refuses'),
  'append-late': row('an append fails, and is in the log later', 'refuses', '-', '-', 'refuses'),
  'append-lost': row('an append fails after long, and never lands', 'refuses', '-', '-', 'refuses'),
  'append-twice': row('an append is in the log twice', 'survives', 'survives', 'survives', '-'),
  'offset-gap': row('offsets without a record', 'survives', 'survives', 'survives', '-'),
  'read-fails': row('a read of the log breaks off', 'survives', 'survives', 'survives', '-'),
  'log-slow': row('the log answers late', 'survives', 'survives', 'survives', 'survives'),
  'log-away': row('the log cannot be reached', 'refuses', 'survives', 'survives', 'refuses'),
  'retention-cut': row(
    'what is indexed is cut off the log',
    'survives',
    'survives',
    'survives',
    '-',
  ),
  'put-fails': row('a put fails, and the key stays free', '-', 'survives', '-', '-'),
  'put-unheard': row('a put has happened, and fails', '-', 'survives', '-', '-'),
  'put-own-exists': row('the first put of a key says that it exists', '-', 'survives', '-', '-'),
  'get-fails': row('a read of the bucket fails', 'survives', 'survives', 'survives', '-'),
  'bucket-slow': row('the bucket answers late', 'survives', 'survives', 'survives', '-'),
  'bucket-away': row('the bucket cannot be reached', 'survives', 'survives', 'survives', '-'),
  'list-stale': row('a list lacks what was put lately', 'survives', 'survives', 'survives', '-'),
  'range-short': row('a range comes short', 'refuses', 'detects', 'detects', '-'),
  'bit-flip': row('a read has a wrong bit', 'refuses', 'detects', 'detects', '-'),
  'clock-skew': row('clocks are apart', 'survives', '-', '-', '-'),
  'clock-back': row('a clock is set back', 'survives', '-', '-', '-'),
  'clock-forward': row('a clock is set forward', 'survives', '-', '-', '-'),
  kill: row(
    'a process is killed, and started again',
    'survives',
    'survives',
    'survives',
    'survives',
  ),
  pause: row('a process stands still, and goes on', 'survives', 'survives', 'survives', 'survives'),
  straggler: row('a process is 50 times slower', 'survives', 'survives', 'survives', 'survives'),
  'two-owners': row('two are advised of one partition', 'survives', '-', '-', '-'),
  'no-owner': row('nobody is advised of a partition', 'survives', '-', '-', '-'),
  'kill-at-record': row(
    'an owner is killed right behind one of its records',
    'survives',
    '-',
    '-',
    '-',
  ),
  'message-lost': row('a message between partitions never comes', 'survives', '-', '-', '-'),
  'message-late': row(
    'a message between partitions comes behind later ones',
    'survives',
    '-',
    '-',
    '-',
  ),
  'message-twice': row(
    'a message between partitions comes again, much later',
    'survives',
    '-',
    '-',
    '-',
  ),
};

/** All of them, in the order of the table. */
export const FAULT_NAMES: readonly FaultName[] = Object.keys(FAULTS) as FaultName[];

/** The table as lines of text. */
export function faultTable(): string {
  const widths = [16, 10, 10, 10, 10];
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join(' ')
      .trimEnd();
  return [
    line(['fault', ...COMPONENTS, 'what']),
    ...FAULT_NAMES.map((name) => {
      const { what, expected } = FAULTS[name];
      return line([name, ...COMPONENTS.map((component) => expected[component]), what]);
    }),
  ].join('\n');
}

/** How often a fault that is on happens, of all occasions. */
const RATES = [0.01, 0.05, 0.2] as const;
/** Those of messages: few are sent about each transaction. */
const MESSAGE_RATES = [0.05, 0.2, 0.4] as const;
/** How many of the faults are on in a run. */
const SHARE_ON = 0.4;
/** How many owners a fault spares that is on. */
const SHARE_SPARED = 0.3;

/**
 * The faults of one run: some of the possible ones are on, each at a rate of its own, and each spares some
 * processes. Few at once find what all at once hide (swarm testing, Groce et al. 2012).
 */
export class Swarm {
  readonly #rates: ReadonlyMap<FaultName, number>;
  readonly #choice: Choice;
  readonly #spared = new Map<string, boolean>();
  #stopped = false;

  private constructor(rates: ReadonlyMap<FaultName, number>, choice: Choice) {
    this.#rates = rates;
    this.#choice = choice;
  }

  static draw(choice: Choice, possible: readonly FaultName[]): Swarm {
    const rates = new Map<FaultName, number>();
    for (const name of possible) {
      if (!choice.chance(SHARE_ON, `${name} is on`)) continue;
      const among = name.startsWith('message-') ? MESSAGE_RATES : RATES;
      rates.set(name, among[choice.pick(among.length, `rate of ${name}`)] ?? among[0]);
    }
    return new Swarm(rates, choice);
  }

  /** No fault at all. */
  static calm(): Swarm {
    return new Swarm(new Map(), { pick: () => 0, chance: () => false });
  }

  /** From here on everything is calm. */
  stop(): void {
    this.#stopped = true;
  }

  /** Whether it is on in this run, stopped or not. */
  has(name: FaultName): boolean {
    return this.#rates.has(name);
  }

  /** How often it happens; 0 where it is off. */
  rate(name: FaultName): number {
    return this.#stopped ? 0 : (this.#rates.get(name) ?? 0);
  }

  /** Whether it happens to a process on this occasion. */
  fires(name: FaultName, process: SimProcess): boolean {
    const rate = this.rate(name);
    if (rate === 0 || this.#spares(name, process)) return false;
    return process.choice.chance(rate, name);
  }

  /** What is on, and how often. */
  describe(): readonly string[] {
    return [...this.#rates].map(([name, rate]) => `${name} ${rate}`);
  }

  #spares(name: FaultName, process: SimProcess): boolean {
    const key = `${name} ${process.host}`;
    let spared = this.#spared.get(key);
    if (spared === undefined) {
      spared = this.#choice.chance(SHARE_SPARED, `${key} spared`);
      this.#spared.set(key, spared);
    }
    return spared;
  }
}
