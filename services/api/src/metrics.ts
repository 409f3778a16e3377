import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What the HTTP door counts. Names and units stand here and nowhere else. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = new Histogram({
    name: 'pyralog_http_request_seconds',
    help: 'Time of requests by route and status.',
    labelNames: ['route', 'status'],
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1, 5],
    registers: [this.#registry],
  });
  readonly #transactions = new Counter({
    name: 'pyralog_transactions_total',
    help: 'Transactions by what became of them: committed, duplicate, or the code of a refusal.',
    labelNames: ['database', 'outcome'],
    registers: [this.#registry],
  });
  readonly #facts = new Counter({
    name: 'pyralog_facts_total',
    help: 'Facts written.',
    labelNames: ['database'],
    registers: [this.#registry],
  });
  readonly #feeds = new Gauge({
    name: 'pyralog_feed_readers',
    help: 'Feeds that are being read.',
    labelNames: ['database'],
    registers: [this.#registry],
  });

  /** @param route pattern of the address, undefined where there is none */
  answered(route: string | undefined, status: number, millis: number): void {
    this.#requests.labels(route ?? 'none', String(status)).observe(millis / 1000);
  }

  transacted(database: string, outcome: string, facts: number): void {
    this.#transactions.labels(database, outcome).inc();
    this.#facts.labels(database).inc(facts);
  }

  feed(database: string, change: 1 | -1): void {
    this.#feeds.labels(database).inc(change);
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
