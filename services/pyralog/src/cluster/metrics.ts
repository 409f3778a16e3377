import { isPyralogError } from '@pyralog/model';
import { Counter, Gauge, Registry } from 'prom-client';
import { SequencerMetrics } from '../sequencer-metrics.ts';
import type { ClusterListeners } from './ports.ts';

/** What a process of a cluster counts besides its door. Names and units stand here and nowhere else. */
export class ClusterMetrics {
  readonly registry: Registry = new Registry();
  /** Of the sequencer, where the process has that role. */
  readonly #steps: SequencerMetrics = new SequencerMetrics(this.registry);
  readonly #fenced: Counter;
  readonly #void: Counter<'database'>;
  readonly #failures: Counter<'code'>;

  /** Partitions that the process works on now, `main/0`. */
  partitions: () => readonly string[] = () => [];

  constructor() {
    const registers = [this.registry];
    const partitions = (): readonly string[] => this.partitions();
    this.#fenced = new Counter({
      name: 'pyralog_fenced_total',
      help: 'Times that another process was found to own a partition that this one led.',
      registers,
    });
    this.#void = new Counter({
      name: 'pyralog_void_records_total',
      help: 'Records of commit logs without effect: their writers were not, or no longer, the owners.',
      labelNames: ['database'],
      registers,
    });
    this.#failures = new Counter({
      name: 'pyralog_failures_total',
      help: 'Times that something behind the scenes began to fail, by code.',
      labelNames: ['code'],
      registers,
    });
    new Gauge({
      name: 'pyralog_partitions',
      help: 'Partitions that this process works on.',
      labelNames: ['partition'],
      registers,
      collect() {
        this.reset();
        for (const partition of partitions()) this.labels(partition).set(1);
      },
    });
  }

  /** Counts, and tells others. */
  counted(
    listeners: Omit<ClusterListeners, 'clock' | 'onVoid' | 'steps'>,
  ): Omit<ClusterListeners, 'clock'> {
    return {
      onFailure: (what, error) => {
        const code = isPyralogError(error) ? error.code : 'internal';
        if (code === 'fenced') this.#fenced.inc();
        this.#failures.labels(code).inc();
        listeners.onFailure(what, error);
      },
      onRecovery: listeners.onRecovery,
      onVoid: (database) => this.#void.labels(database).inc(),
      steps: this.#steps,
    };
  }
}
