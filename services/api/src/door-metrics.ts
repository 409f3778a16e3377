import { isPyralogError } from '@pyralog/model';
import type { CommitExplanation, CommitResult, Database, TransactOptions } from '@pyralog/client';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { TransactionStages } from './transaction-stages.ts';

/** What the HTTP door counts. Names and units stand here and nowhere else. */
export class DoorMetrics {
  readonly #registry: Registry;
  readonly #requests: Histogram<'method' | 'route' | 'status'>;
  readonly #transactions: Counter<'database' | 'outcome'>;
  readonly #facts: Counter<'database'>;
  readonly #feeds: Gauge<'database'>;
  readonly #stages: TransactionStages;

  /** @param notReady why the server cannot serve; nothing when it can */
  constructor(registry: Registry, notReady: () => readonly string[]) {
    this.#registry = registry;
    this.#stages = new TransactionStages(registry);
    const registers = [registry];
    this.#requests = new Histogram({
      name: 'pyralog_http_request_seconds',
      help: 'Time of requests by method, route and status, until the answer was sent.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1, 5],
      registers,
    });
    this.#transactions = new Counter({
      name: 'pyralog_transactions_total',
      help: 'Transactions by what became of them: committed, duplicate, or the code of a refusal.',
      labelNames: ['database', 'outcome'],
      registers,
    });
    this.#facts = new Counter({
      name: 'pyralog_facts_total',
      help: 'Facts written.',
      labelNames: ['database'],
      registers,
    });
    this.#feeds = new Gauge({
      name: 'pyralog_feed_readers',
      help: 'Feeds that are being read.',
      labelNames: ['database'],
      registers,
    });
    new Gauge({
      name: 'pyralog_ready',
      help: '1 where the server can serve, 0 where something does not work: /healthz/ready says what.',
      registers,
      collect() {
        this.set(notReady().length === 0 ? 1 : 0);
      },
    });
  }

  /** @param route pattern of the address, so that there are few of them */
  answered(method: string, route: string, status: number, millis: number): void {
    this.#requests.labels(method, route, String(status)).observe(millis / 1_000);
  }

  /** `database.transact`, counted. Never throws at once, so that its callers need one way of catching only. */
  counted(
    database: Database,
    { explain = false }: TransactOptions = {},
  ): (document: Uint8Array) => Promise<CommitResult> {
    const { name } = database;
    return async (document) => {
      try {
        const result = await database.transact(document, { explain: true });
        if (result.explain !== undefined) this.#explained(result.explain);
        this.#transactions.labels(name, result.duplicate ? 'duplicate' : 'committed').inc();
        if (!result.duplicate) this.#facts.labels(name).inc(result.facts.length);
        return explain ? result : { ...result, explain: undefined };
      } catch (error) {
        this.#transactions.labels(name, isPyralogError(error) ? error.code : 'internal').inc();
        throw error;
      }
    };
  }

  #explained({ partitions: { length }, millis: { publish, commit } }: CommitExplanation): void {
    this.#stages.observe('publish', length, publish / 1_000);
    this.#stages.observe('commit', length, commit / 1_000);
  }

  feedReaders(database: string, change: 1 | -1): void {
    this.#feeds.labels(database).inc(change);
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}
