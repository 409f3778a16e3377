import { assert } from '@pyralog/base';
import { type Choice, hashText } from './choice.ts';

/** Virtual time goes in steps of this, in microseconds: what is due at about the same time is due at once. */
export const QUANTUM_MICROS = 100;

/** Who waits for a completion. A paused owner's are kept for it, a dead one's are dropped. */
export interface Owner {
  readonly name: string;
  readonly state: 'running' | 'paused' | 'dead';
}

/** Something that is going to happen. */
export interface Pending {
  /** Takes it back; quiet where it has happened. */
  cancel(): void;
}

interface Entry {
  readonly owner: Owner;
  readonly label: string;
  run: (() => void) | undefined;
}

/** A run took more steps than it was given: what it waits for does not come, or it never ends. */
export class StepLimitError extends Error {
  override readonly name = 'StepLimitError';
}

/** What a scheduler is made with. */
export interface SchedulerOptions {
  readonly choice: Choice;
  /** Keeps the label of every step, for a trace to read; else only the last ones. */
  readonly keepTrace?: boolean | undefined;
}

/** Labels that are kept of a run where not all are. */
const LAST_LABELS = 60;

// Taken before anything can replace it: guards make the global one throw while a simulation runs.
const nextTurn = setImmediate;

/**
 * The one thread of a simulated world. Whatever would take time enqueues what happens then; a step waits
 * until all code that can run has run (one real turn of the event loop empties the microtasks), picks one of
 * those that are due first, and lets it happen. Node's microtasks are deterministic, and promises are the
 * native ones, so a run is a function of the choices alone.
 */
export class Scheduler {
  readonly #choice: Choice;
  readonly #trace: string[] = [];
  readonly #keepTrace: boolean;
  /** By the time at which they are due; `#times` has each time once, least first. */
  readonly #due = new Map<number, Entry[]>();
  readonly #times = new TimeHeap();
  readonly #held = new Map<Owner, Entry[]>();
  #nowMicros = 0;
  #steps = 0;
  #interleavedPicks = 0;
  #hash: readonly [number, number] = [0x811c9dc5, 0x9747b28c];
  #running: Owner | undefined;

  constructor({ choice, keepTrace = false }: SchedulerOptions) {
    this.#choice = choice;
    this.#keepTrace = keepTrace;
  }

  /** Microseconds since the world began. */
  get nowMicros(): number {
    return this.#nowMicros;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Steps at which something of another owner was due too: without any, nothing was interleaved. */
  get interleavedPicks(): number {
    return this.#interleavedPicks;
  }

  /** Whose completion the last step was. */
  get running(): Owner | undefined {
    return this.#running;
  }

  /** Of the labels of all steps, their owners and times: two runs that differ anywhere differ in it. */
  get traceHash(): string {
    return this.#hash.map((part) => part.toString(16).padStart(8, '0')).join('');
  }

  /** Labels of the steps, or of the last ones. */
  get trace(): readonly string[] {
    return this.#trace;
  }

  /**
   * Lets something happen later.
   * @param delayMicros from now, rounded up to whole quanta; Infinity is never
   */
  enqueue(owner: Owner, label: string, delayMicros: number, run: () => void): Pending {
    assert(delayMicros >= 0, `${label}: time goes forward`);
    const entry: Entry = { owner, label, run };
    if (delayMicros !== Number.POSITIVE_INFINITY && owner.state !== 'dead') {
      const at = Math.ceil((this.#nowMicros + delayMicros) / QUANTUM_MICROS) * QUANTUM_MICROS;
      this.#put(at, entry);
    }
    return {
      cancel: () => {
        entry.run = undefined;
      },
    };
  }

  /** What was due for a paused owner, in order, is due now: it runs again. */
  release(owner: Owner): void {
    const held = this.#held.get(owner) ?? [];
    this.#held.delete(owner);
    for (const entry of held) this.#put(this.#nowMicros, entry);
  }

  /**
   * Runs until a condition holds.
   * @throws StepLimitError with what is pending where it does not within so many steps, or cannot
   */
  async run(until: () => boolean, stepsMax: number): Promise<void> {
    const limit = this.#steps + stepsMax;
    for (;;) {
      await this.#turn();
      if (until()) return;
      if (this.#steps >= limit) throw this.#stuck(`not within ${stepsMax} steps`);
      if (!this.#step()) throw this.#stuck('nothing is pending that could make it so');
    }
  }

  /** Runs until nothing is pending. */
  async idle(stepsMax: number): Promise<void> {
    const limit = this.#steps + stepsMax;
    for (;;) {
      await this.#turn();
      if (this.#steps >= limit) throw this.#stuck(`not idle within ${stepsMax} steps`);
      if (!this.#step()) return;
    }
  }

  /** Runs beside code that is not simulated, until the signal aborts. */
  async pump(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#turn();
      this.#step();
    }
  }

  /** Labels of what is pending, by owner. */
  pending(): ReadonlyMap<string, readonly string[]> {
    const labels = new Map<string, string[]>();
    const add = ({ owner, label, run }: Entry, when: string): void => {
      if (run === undefined || owner.state === 'dead') return;
      const list = labels.get(owner.name) ?? [];
      list.push(`${label} (${when})`);
      labels.set(owner.name, list);
    };
    for (const at of [...this.#due.keys()].toSorted((a, b) => a - b))
      for (const entry of this.#due.get(at) ?? [])
        add(entry, `+${(at - this.#nowMicros) / 1000} ms`);
    for (const entries of this.#held.values()) for (const entry of entries) add(entry, 'held');
    return labels;
  }

  /** All code that can run has run when it resolves. */
  #turn(): Promise<void> {
    return new Promise((resolve) => {
      nextTurn(resolve);
    });
  }

  /** @returns false where nothing is pending */
  #step(): boolean {
    for (;;) {
      const at = this.#times.least;
      if (at === undefined) return false;
      const ready = (this.#due.get(at) ?? []).filter((entry) => this.#isDue(entry));
      this.#due.set(at, ready);
      if (ready.length === 0) {
        this.#due.delete(at);
        this.#times.pop();
        continue;
      }
      this.#nowMicros = at;
      this.#happen(ready);
      return true;
    }
  }

  /** Whether it may happen now; what a paused owner would get is put aside for it. */
  #isDue(entry: Entry): boolean {
    const { owner, run } = entry;
    if (run === undefined || owner.state === 'dead') return false;
    if (owner.state === 'running') return true;
    const held = this.#held.get(owner);
    if (held === undefined) this.#held.set(owner, [entry]);
    else held.push(entry);
    return false;
  }

  #happen(ready: Entry[]): void {
    const picked = this.#choice.pick(ready.length, 'next');
    const [entry] = ready.splice(picked, 1);
    assert(entry?.run !== undefined, 'one of those that are due');
    if (ready.some(({ owner }) => owner !== entry.owner)) this.#interleavedPicks++;
    this.#steps++;
    this.#note(entry);
    this.#running = entry.owner;
    const { run } = entry;
    entry.run = undefined;
    run();
  }

  #note({ owner, label }: Entry): void {
    const line = `${this.#nowMicros / 1000} ${owner.name} ${label}`;
    this.#hash = [hashText(line, this.#hash[0]), hashText(line, this.#hash[1])];
    this.#trace.push(line);
    if (!this.#keepTrace && this.#trace.length > 2 * LAST_LABELS)
      this.#trace.splice(0, this.#trace.length - LAST_LABELS);
  }

  #put(at: number, entry: Entry): void {
    const list = this.#due.get(at);
    if (list !== undefined) list.push(entry);
    else {
      this.#due.set(at, [entry]);
      this.#times.push(at);
    }
  }

  #stuck(what: string): StepLimitError {
    const lines = [...this.pending()].map(
      ([owner, labels]) => `  ${owner}: ${labels.slice(0, 8).join(', ')}`,
    );
    return new StepLimitError(
      [`${what}; at ${this.#nowMicros / 1000} ms, pending:`, ...lines].join('\n'),
    );
  }
}

/** Times, least first: a binary heap. */
class TimeHeap {
  readonly #times: number[] = [];

  get least(): number | undefined {
    return this.#times[0];
  }

  push(time: number): void {
    const times = this.#times;
    let at = times.push(time) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = times[parent] as number;
      if (above <= time) break;
      times[at] = above;
      at = parent;
    }
    times[at] = time;
  }

  pop(): void {
    const times = this.#times;
    const last = times.pop();
    if (last === undefined || times.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= times.length) break;
      if (child + 1 < times.length && (times[child + 1] as number) < (times[child] as number))
        child++;
      const below = times[child] as number;
      if (below >= last) break;
      times[at] = below;
      at = child;
    }
    times[at] = last;
  }
}
