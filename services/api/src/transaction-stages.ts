import { Histogram, type Registry } from 'prom-client';

/** Stages of a transaction whose time is measured, as `CommitMillis` of the client has them. */
export type TransactionStage = 'publish' | 'wait' | 'prepare' | 'commit';

type Children = { [Stage in TransactionStage]?: { observe(seconds: number): void } };

const NAME = 'pyralog_transaction_seconds';

/**
 * Time of committed transactions by stage. Who answers writers observes `publish` and `commit`, and who leads a partition
 * `wait` and `prepare`: so each is observed once, wherever the two run. In one process they share the metric.
 */
export class TransactionStages {
  readonly #seconds: Histogram<'stage' | 'kind'>;
  readonly #one: Children = {};
  readonly #several: Children = {};

  constructor(registry: Registry) {
    const there = registry.getSingleMetric(NAME);
    this.#seconds =
      there instanceof Histogram
        ? there
        : new Histogram({
            name: NAME,
            help: 'Time of committed transactions by stage and by kind: one partition, or several. publish: until it is in the input; wait: in line and in attempts that gave way; prepare: asking other partitions; commit: the rest, until it is durable and known to who answers.',
            labelNames: ['stage', 'kind'],
            buckets: [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1, 5, 10],
            registers: [registry],
          });
  }

  /** @param partitions that took part */
  observe(stage: TransactionStage, partitions: number, seconds: number): void {
    const ofKind = partitions === 1 ? this.#one : this.#several;
    // Looking up a child costs more than a quarter of observing.
    (ofKind[stage] ??= this.#seconds.labels(stage, partitions === 1 ? 'one' : 'several')).observe(
      seconds,
    );
  }
}
