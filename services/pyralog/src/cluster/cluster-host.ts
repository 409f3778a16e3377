import type { CreateOptions, Database, DatabaseHost } from '@pyralog/client';
import { PyralogError } from '@pyralog/model';
import { troublesOf } from '../troubles.ts';
import { Databases } from './databases.ts';
import { NodeDatabase } from './node-database.ts';
import type { ClusterPorts } from './ports.ts';

/** The databases of a cluster, as an API node serves them. The ports are the caller's to close. */
export class ClusterHost implements DatabaseHost {
  readonly #ports: ClusterPorts;
  readonly #databases: Databases;
  readonly #open = new Map<string, Promise<NodeDatabase>>();
  readonly #opened = new Set<NodeDatabase>();
  readonly #stop = new AbortController();

  constructor(ports: ClusterPorts) {
    this.#ports = ports;
    this.#databases = new Databases(ports);
  }

  create(name: string, options: CreateOptions = {}): Promise<'created' | 'exists'> {
    return this.#databases.create(name, options);
  }

  list(): Promise<readonly string[]> {
    return this.#databases.list();
  }

  database(name: string): Promise<Database> {
    if (this.#stop.signal.aborted)
      return Promise.reject(new PyralogError('stopping', 'The databases are closed.'));
    const open = this.#open.get(name);
    if (open !== undefined) return open;
    const opening = this.#databases
      .info(name)
      .then((info) => NodeDatabase.open(info, this.#ports, this.#stop.signal));
    this.#open.set(name, opening);
    opening.then(
      (database) => this.#opened.add(database),
      () => this.#open.delete(name),
    );
    return opening;
  }

  /** What does not work at the moment, a sentence each; empty while all is well. */
  troubles(): readonly string[] {
    return troublesOf(this.#opened, 'read');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    const open = await Promise.allSettled(this.#open.values());
    for (const result of open)
      if (result.status === 'fulfilled') await result.value[Symbol.asyncDispose]();
  }
}
