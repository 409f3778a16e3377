import type { CreateOptions, Database, DatabaseHost } from '@pyralog/client';
import { OpenDatabases } from '../open-databases.ts';
import { Databases } from './databases.ts';
import { NodeDatabase } from './node-database.ts';
import type { ClusterPorts } from './ports.ts';

/** The databases of a cluster, as an API node serves them. The ports are the caller's to close. */
export class ClusterHost implements DatabaseHost {
  readonly #ports: ClusterPorts;
  readonly #databases: Databases;
  readonly #open = new OpenDatabases<NodeDatabase>();

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
    return this.#open.get(name, async (signal) =>
      NodeDatabase.open(await this.#databases.info(name), this.#ports, signal),
    );
  }

  /** What does not work at the moment, a sentence each; empty while all is well. */
  troubles(): readonly string[] {
    return this.#open.troubles('read');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#open[Symbol.asyncDispose]();
  }
}
