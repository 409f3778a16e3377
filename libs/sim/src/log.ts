import { assert } from '@pyralog/base';
import type { Log, LogReadOptions, LogRecord, StoredRecord, TopicPartition } from '@pyralog/log';
import {
  type LogOffset,
  logOffset,
  type PartitionNo,
  partitionNo,
  PyralogError,
} from '@pyralog/model';
import type { Swarm } from './faults.ts';
import { QUANTUM_MICROS } from './scheduler.ts';
import type { SimProcess } from './process.ts';

const BATCH_BYTES = 1024 * 1024;
/** Records of a batch where reads are cut by chance. */
const BATCH_RECORDS_MAX = 8;
/** Offsets that a control record takes, at most. */
const GAP_MAX = 3;
/** How late messages come, times up to so many. */
const LATE_MICROS = [1_000, 10_000, 100_000, 1_000_000];
const LATE_TIMES = 6;
const SECOND_MICROS = 1_000_000;

interface Partition {
  readonly records: StoredRecord[];
  /** When each of them landed, in microseconds of virtual time. */
  readonly landedMicros: number[];
  /** The oldest offset that is kept. */
  start: number;
  /** The offset of the next record. */
  end: number;
  /** Told when something has landed. */
  readonly watchers: Set<() => void>;
}

/** The most frequent of something. */
export interface Busiest {
  readonly what: string;
  readonly count: number;
}

/**
 * The brokers of a simulated world: what is in the topics, whoever wrote it. They are never killed and lose
 * nothing that landed; faults lie in the ways to them.
 */
export class SimBrokers {
  readonly #topics = new Map<string, readonly Partition[]>();
  /** How often a process has read what lies at one offset within a second of virtual time. */
  readonly #reads = new Map<string, { sinceMicros: number; count: number }>();
  #busiest: Busiest = { what: 'nobody', count: 0 };
  /** Topics of messages, whose senders do not care what becomes of each. */
  readonly #messages = new Set<string>();
  /** Told of everything that lands, and who has sent it. */
  onLanded: (at: TopicPartition, sender: SimProcess) => void = () => undefined;
  /** Processes that cannot reach them, until when in microseconds of virtual time. */
  readonly #away = new Map<string, number>();

  /** A log as a process sees it. */
  connect(process: SimProcess, swarm: Swarm): SimLog {
    return new SimLog(this, process, swarm);
  }

  /** A process cannot reach them for a time. */
  cutOff({ name, scheduler }: SimProcess, forMicros: number): void {
    this.#away.set(name, scheduler.nowMicros + forMicros);
  }

  isAway({ name, scheduler }: SimProcess): boolean {
    return (this.#away.get(name) ?? 0) > scheduler.nowMicros;
  }

  /** Everybody can reach them again. */
  heal(): void {
    this.#away.clear();
  }

  /** Retention: records below an offset can no longer be read. */
  cut(at: TopicPartition, before: LogOffset): void {
    const partition = this.partition(at);
    if (before <= partition.start) return;
    partition.start = Math.min(before, partition.end);
  }

  /** Who read the same again most often within a second of virtual time: a loop without a pause, if that is often. */
  get busiest(): Busiest {
    return this.#busiest;
  }

  /** A process has read records that lie at an offset. */
  noteRead({ name, scheduler }: SimProcess, at: TopicPartition, from: number): void {
    const what = `${name} read ${nameOf(at)} from ${from}`;
    const now = scheduler.nowMicros;
    const known = this.#reads.get(what);
    if (known === undefined || now - known.sinceMicros > SECOND_MICROS)
      this.#reads.set(what, { sinceMicros: now, count: 1 });
    else if (++known.count > this.#busiest.count) this.#busiest = { what, count: known.count };
  }

  /** Everything that ever landed in a partition, what was cut off included. */
  records(at: TopicPartition): readonly StoredRecord[] {
    return this.partition(at).records;
  }

  /** When each of {@link records} landed, in microseconds of virtual time. */
  landedMicros(at: TopicPartition): readonly number[] {
    return this.partition(at).landedMicros;
  }

  /** What is appended to a topic are messages: faults of messages concern it. */
  carriesMessages(topic: string): void {
    this.#messages.add(topic);
  }

  isOfMessages({ topic }: TopicPartition): boolean {
    return this.#messages.has(topic);
  }

  /** All partitions of all topics. */
  partitions(): readonly TopicPartition[] {
    return [...this.#topics].flatMap(([topic, partitions]) =>
      partitions.map((_, p) => ({ topic, partition: partitionNo(p) })),
    );
  }

  end(at: TopicPartition): LogOffset {
    return logOffset(this.partition(at).end);
  }

  createTopic(topic: string, partitions: number): void {
    const known = this.#topics.get(topic);
    if (known === undefined) {
      const made = Array.from({ length: partitions }, () => ({
        records: [],
        landedMicros: [],
        start: 0,
        end: 0,
        watchers: new Set<() => void>(),
      }));
      this.#topics.set(topic, made);
    } else if (known.length !== partitions) {
      throw new PyralogError(
        'parameter-invalid',
        `Topic ${topic} has ${known.length} partitions, not ${partitions}.`,
      );
    }
  }

  /**
   * Records land, together.
   * @param gap offsets behind them that hold no record, as those of a transaction marker
   */
  land(
    at: TopicPartition,
    records: readonly LogRecord[],
    gap: number,
    sender: SimProcess,
  ): LogOffset {
    const partition = this.partition(at);
    const first = logOffset(partition.end);
    for (const record of records) {
      partition.records.push({ ...record, offset: logOffset(partition.end) });
      partition.landedMicros.push(sender.scheduler.nowMicros);
      partition.end++;
    }
    partition.end += gap;
    const told = [...partition.watchers];
    partition.watchers.clear();
    for (const tell of told) tell();
    this.onLanded(at, sender);
    return first;
  }

  /** Tells once when something lands behind an offset: at once where there is something. */
  watch(at: TopicPartition, from: number, tell: () => void): void {
    const partition = this.partition(at);
    if (partition.end > from) tell();
    else partition.watchers.add(tell);
  }

  partition({ topic, partition }: TopicPartition): Partition {
    const found = this.#topics.get(topic)?.[partition];
    if (found !== undefined) return found;
    throw new PyralogError('not-found', `The log has no partition ${partition} of topic ${topic}.`);
  }
}

/**
 * The log of one process. Without faults it keeps the contract to the letter (test/contract/log.ts); faults
 * keep it too: an append that rejects may have happened, and reads never skip.
 */
export class SimLog implements Log {
  readonly #brokers: SimBrokers;
  readonly #process: SimProcess;
  readonly #swarm: Swarm;
  /** When the last append to each partition lands: appends of one process keep their order. */
  readonly #landsMicros = new Map<string, number>();
  readonly #stop = new AbortController();

  constructor(brokers: SimBrokers, process: SimProcess, swarm: Swarm) {
    this.#brokers = brokers;
    this.#process = process;
    this.#swarm = swarm;
  }

  createTopic(topic: string, partitions: number): Promise<void> {
    return this.#request(`create ${topic}`, () => this.#brokers.createTopic(topic, partitions));
  }

  append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    const label = `append ${nameOf(at)}`;
    if (this.#stop.signal.aborted) return Promise.reject(closed());
    const copies = records.map(copyOf);
    const process = this.#process;
    const land = (): LogOffset => {
      const gap = this.#fires('offset-gap') ? 1 + process.choice.pick(GAP_MAX, 'gap') : 0;
      return this.#brokers.land(at, copies, gap, process);
    };
    const fails = (micros: number, what: string): Promise<never> =>
      process.complete(`${label} ${what}`, micros, () => {
        throw new PyralogError('storage-failed', `The append to ${nameOf(at)} failed.`);
      });
    if (this.#isAway()) return fails(process.delayMicros(label), 'away');
    if (this.#fires('append-fails')) return fails(process.delayMicros(label), 'fails');
    if (this.#fires('append-lost')) return fails(process.slowMicros(label), 'is lost');
    if (this.#fires('append-late')) {
      const failing = fails(process.delayMicros(label), 'fails, and is on its way');
      process.send(`${label}, late`, process.slowMicros(label), land);
      return failing;
    }
    if (this.#brokers.isOfMessages(at)) {
      if (this.#fires('message-lost'))
        return process.complete(`${label} is lost`, process.delayMicros(label), () =>
          this.#brokers.end(at),
        );
      if (this.#fires('message-late')) {
        process.send(`${label}, late`, this.#lateMicros(label), land);
        return process.complete(`${label} goes on`, process.delayMicros(label), () =>
          this.#brokers.end(at),
        );
      }
      if (this.#fires('message-twice'))
        process.send(`${label}, again`, this.#lateMicros(label), land);
    }
    const options = { label, thereMicros: this.#thereMicros(at, label) };
    if (this.#fires('append-unheard')) {
      return process.request(options, () => {
        land();
        throw new PyralogError('storage-failed', `The answer of ${nameOf(at)} was lost.`);
      });
    }
    if (this.#fires('append-twice')) {
      // A resend whose first answer was lost: which of the two is answered is chance.
      const second = process.choice.pick(2, 'answered') === 1;
      return process.request(options, () => {
        const offset = land();
        if (second) return land();
        process.send(`${label}, again`, process.delayMicros(label), land);
        return offset;
      });
    }
    return process.request(options, land);
  }

  async *read(
    at: TopicPartition,
    from: LogOffset,
    options: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    const { follow, batchBytesMax = BATCH_BYTES } = options;
    // Whoever reads may stop, and so may the log.
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    const signals = [options.signal, this.#stop.signal];
    for (const signal of signals) signal?.addEventListener('abort', abort, { once: true });
    try {
      if (this.#stop.signal.aborted) throw closed();
      let next: number = from;
      for (let first = true; options.signal?.aborted !== true; first = false) {
        const batch = await this.#fetch(at, next, { batchBytesMax, first, signal: stop.signal });
        if (batch === undefined || stop.signal.aborted) return;
        next = batch.next;
        if (batch.records.length > 0) yield batch.records;
        if (!batch.isLast) continue;
        if (!follow) return;
        await this.#landed(at, next, stop.signal);
      }
    } finally {
      for (const signal of signals) signal?.removeEventListener('abort', abort);
    }
  }

  bounds(at: TopicPartition): Promise<{ readonly start: LogOffset; readonly end: LogOffset }> {
    return this.#request(`bounds ${nameOf(at)}`, () => {
      const { start, end } = this.#brokers.partition(at);
      return { start: logOffset(start), end: logOffset(end) };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
  }

  /** @returns undefined where the signal aborted */
  #fetch(
    at: TopicPartition,
    from: number,
    options: {
      readonly batchBytesMax: number;
      readonly first: boolean;
      readonly signal: AbortSignal;
    },
  ): Promise<Fetched | undefined> {
    const { batchBytesMax, first, signal } = options;
    const label = `read ${nameOf(at)}`;
    const fetching = this.#request(label, (): Fetched => {
      if (this.#fires('read-fails'))
        throw new PyralogError('storage-failed', `The read of ${nameOf(at)} broke off.`);
      const { start, end, records } = this.#brokers.partition(at);
      if (from < start || (first && from > end)) throw outOfRange(at, from, start, end);
      const countMax = 1 + this.#process.choice.pick(BATCH_RECORDS_MAX, 'batch');
      const batch = batchOf(records, from, countMax, batchBytesMax);
      const last = batch.at(-1);
      if (last !== undefined) this.#brokers.noteRead(this.#process, at, from);
      const isLast = last === undefined || last.offset === records.at(-1)?.offset;
      // Nothing but a gap may lie behind the last record.
      return { records: batch, next: isLast ? Math.max(from, end) : last.offset + 1, isLast };
    });
    return unlessAborted(fetching, signal);
  }

  /** Resolves when there may be something at an offset, or the signal aborts. */
  #landed(at: TopicPartition, next: number, signal: AbortSignal): Promise<void> {
    const process = this.#process;
    const landing = new Promise<void>((resolve) => {
      this.#brokers.watch(at, next, () => {
        process.scheduler.enqueue(
          process,
          `wakes at ${nameOf(at)}`,
          process.delayMicros('wake'),
          resolve,
        );
      });
    });
    return unlessAborted(landing, signal);
  }

  async #request<T>(label: string, effect: () => T): Promise<T> {
    if (this.#stop.signal.aborted) throw closed();
    const slow = this.#fires('log-slow');
    const away = this.#isAway();
    return this.#process.request(
      { label, ...(slow ? { backMicros: this.#process.slowMicros(label) } : {}) },
      () => {
        if (away) throw new PyralogError('storage-failed', 'The log cannot be reached.');
        return effect();
      },
    );
  }

  #thereMicros(at: TopicPartition, label: string): number {
    const { scheduler } = this.#process;
    const micros = this.#fires('log-slow')
      ? this.#process.slowMicros(label)
      : this.#process.delayMicros(label);
    const name = nameOf(at);
    const earliest = (this.#landsMicros.get(name) ?? 0) + QUANTUM_MICROS;
    const lands = Math.max(scheduler.nowMicros + micros, earliest);
    this.#landsMicros.set(name, lands);
    return lands - scheduler.nowMicros;
  }

  /** Late by as much as an answer, an attempt, or a takeover takes. */
  #lateMicros(label: string): number {
    const { choice } = this.#process;
    const scale = LATE_MICROS[choice.pick(LATE_MICROS.length, label)] ?? 0;
    return scale * (1 + choice.pick(LATE_TIMES, label));
  }

  #isAway(): boolean {
    return this.#brokers.isAway(this.#process);
  }

  #fires(fault: Parameters<Swarm['fires']>[0]): boolean {
    return this.#swarm.fires(fault, this.#process);
  }
}

/** A batch of a read. */
interface Fetched {
  readonly records: readonly StoredRecord[];
  /** Where the next one begins. */
  readonly next: number;
  /** There was nothing behind it. */
  readonly isLast: boolean;
}

function batchOf(
  records: readonly StoredRecord[],
  from: number,
  countMax: number,
  bytesMax: number,
): readonly StoredRecord[] {
  const batch: StoredRecord[] = [];
  let bytes = 0;
  for (let i = indexOf(records, from); i < records.length && batch.length < countMax; i++) {
    const record = records[i];
    assert(record !== undefined, 'the log has it');
    bytes += record.value?.length ?? 0;
    if (batch.length > 0 && bytes > bytesMax) break;
    batch.push(copyOf(record));
  }
  return batch;
}

/** Index of the first record at or behind an offset. */
function indexOf(records: readonly StoredRecord[], from: number): number {
  let [low, high] = [0, records.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((records[middle]?.offset ?? 0) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Neither end may change what the other has. */
function copyOf<R extends LogRecord>(record: R): R {
  const { key, value, headers } = record;
  return {
    ...record,
    key: key?.slice(),
    value: value === null ? null : value.slice(),
    ...(headers === undefined ? {} : { headers: { ...headers } }),
  };
}

/** What a promise gives, or undefined as soon as the signal aborts. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const abort = (): void => resolve(undefined);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener('abort', abort);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', abort);
        reject(error);
      },
    );
  });
}

function nameOf({
  topic,
  partition,
}: {
  readonly topic: string;
  readonly partition: PartitionNo;
}): string {
  return `${topic}/${partition}`;
}

function outOfRange(at: TopicPartition, from: number, start: number, end: number): PyralogError {
  return new PyralogError(
    'offset-out-of-range',
    `Offset ${from} of ${nameOf(at)} is not in [${start}, ${end}].`,
  );
}

function closed(): PyralogError {
  return new PyralogError('stopping', 'The log is closed.');
}
