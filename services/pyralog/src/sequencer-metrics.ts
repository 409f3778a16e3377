import { TransactionStages } from '@pyralog/service-api';
import type { TakenStep } from '@pyralog/service-sequencer';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Who is told of what the leaders of a process do. Partitions are named `main/0`. */
export interface StepListener {
  step(partition: string, step: TakenStep): void;
  /** The partition is not led here any more. */
  ended(partition: string): void;
}

/** What the leaders of a process measure. Names and units stand here and nowhere else, but for those of TransactionStages. */
export class SequencerMetrics implements StepListener {
  readonly #stages: TransactionStages;
  readonly #items: Histogram;
  readonly #attempts: Counter;
  readonly #retries: Counter;
  /** Behind the last step of each. */
  readonly #waiting = new Map<string, TakenStep['waiting']>();

  constructor(registry: Registry) {
    const registers = [registry];
    this.#stages = new TransactionStages(registry);
    this.#items = new Histogram({
      name: 'pyralog_commit_record_items',
      help: 'Items of a record of the commit log: outcomes and steps of transactions that were made durable together.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
      registers,
    });
    this.#attempts = new Counter({
      name: 'pyralog_transaction_attempts_total',
      help: 'Times that a transaction over several partitions was begun.',
      registers,
    });
    this.#retries = new Counter({
      name: 'pyralog_transaction_retries_total',
      help: 'Of those, the times that it gave way to another, or knew too little, and is begun again.',
      registers,
    });
    this.#gauge(
      'pyralog_documents_waiting',
      'Documents in line behind others that use the same, by the partition where they arrived.',
      ({ documents }) => documents,
      registers,
    );
    this.#gauge(
      'pyralog_transactions_begun',
      'Transactions over several partitions that were begun and are not over, by coordinator.',
      ({ begun }) => begun,
      registers,
    );
    this.#gauge(
      'pyralog_parts_promised',
      'Parts of transactions that other partitions coordinate, promised and not decided, by partition.',
      ({ prepared }) => prepared,
      registers,
    );
  }

  step(partition: string, { record, outcomes, waiting }: TakenStep): void {
    this.#waiting.set(partition, waiting);
    if (record !== undefined && record.items.length > 0) {
      this.#items.observe(record.items.length);
      let [attempts, retries] = [0, 0];
      for (const { kind } of record.items) {
        if (kind === 'begin') attempts++;
        else if (kind === 'retry') retries++;
      }
      if (attempts > 0) this.#attempts.inc(attempts);
      if (retries > 0) this.#retries.inc(retries);
    }
    for (const { outcome } of outcomes) {
      if (outcome.kind !== 'committed') continue;
      const partitions = 1 + outcome.participants.length;
      const { waitedNanos, askedNanos } = outcome.effort;
      if (waitedNanos !== undefined) this.#stages.observe('wait', partitions, seconds(waitedNanos));
      if (partitions > 1 && askedNanos !== undefined)
        this.#stages.observe('prepare', partitions, seconds(askedNanos));
    }
  }

  ended(partition: string): void {
    this.#waiting.delete(partition);
  }

  #gauge(
    name: string,
    help: string,
    of: (waiting: TakenStep['waiting']) => number,
    registers: Registry[],
  ): void {
    const all = this.#waiting;
    new Gauge({
      name,
      help,
      labelNames: ['partition'],
      registers,
      collect() {
        this.reset();
        for (const [partition, waiting] of all) this.labels(partition).set(of(waiting));
      },
    });
  }
}

function seconds(nanos: bigint): number {
  return Number(nanos) / 1e9;
}
