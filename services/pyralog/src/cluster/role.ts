import type { DatabaseInfo } from '@pyralog/format';
import type { GroupAdvice } from '@pyralog/log';
import type { PartitionNo } from '@pyralog/model';
import {
  type Failure,
  type Health,
  type PauseRule,
  type Service,
  Supervisor,
} from '@pyralog/runtime';
import { healthOf, messageOf } from '../troubles.ts';
import { Databases } from './databases.ts';
import type { ClusterPorts } from './ports.ts';
import { topicsOf } from './topics.ts';

/** A partition that this process should work on. */
export interface Assignment {
  readonly info: DatabaseInfo;
  readonly partition: PartitionNo;
}

/** What a role does for one partition, until it is disposed. */
export interface PartitionWork extends AsyncDisposable {
  /** What does not work of it at the moment. */
  failures(): readonly Failure[];
}

export interface RoleOptions {
  /** Names the groups of processes that share the partitions: `pyralog.<name>.<database>`. */
  readonly name: string;
  readonly advice: GroupAdvice;
  /** The only database that it serves; undefined: all there are and will be. */
  readonly database: string | undefined;
  readonly begin: (assignment: Assignment) => PartitionWork;
}

/** A service of a partition's work, and how it is. */
export interface WorkService extends Service {
  readonly health: Health;
}

/**
 * Work that consists of services, each kept running by itself.
 * @param parts whose failures are those of the work too
 */
export function supervised(
  services: readonly WorkService[],
  ports: ClusterPorts,
  parts: readonly Health[] = [],
): PartitionWork {
  const supervisors = services.map((service) =>
    Supervisor.start(service, { ...ports, health: service.health, pauses: PAUSES }),
  );
  return {
    failures: () =>
      [...services.map(({ health }) => health), ...parts].flatMap(({ failure }) =>
        failure === undefined ? [] : [failure],
      ),
    async [Symbol.asyncDispose]() {
      await Promise.all(supervisors.map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

const PAUSES: PauseRule = { firstMillis: 250, maxMillis: 5_000 };

/** A process of a role: its work on every partition of every database that it is advised to do. */
export class Role implements AsyncDisposable {
  readonly #options: RoleOptions;
  readonly #ports: ClusterPorts;
  readonly #databases: Databases;
  readonly #health: Health;
  readonly #following: Supervisor;
  readonly #members = new Map<string, Membership>();

  private constructor(options: RoleOptions, ports: ClusterPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#databases = new Databases(ports);
    this.#health = healthOf('The list of databases', 'read', ports);
    this.#following = Supervisor.start(
      { run: (signal, working) => this.#follow(signal, working) },
      { ...ports, health: this.#health, pauses: PAUSES },
    );
  }

  static start(options: RoleOptions, ports: ClusterPorts): Role {
    return new Role(options, ports);
  }

  /** Partitions that it works on, `main/0`. */
  get partitions(): readonly string[] {
    return [...this.#members.values()].flatMap((member) => member.partitions);
  }

  /** What does not work at the moment, a sentence each; empty while all is well. */
  troubles(): readonly string[] {
    const own = this.#health.failure;
    return [
      ...(own === undefined ? [] : [own]),
      ...[...this.#members.values()].flatMap((member) => member.failures()),
    ].map(({ error }) => messageOf(error));
  }

  /** Ends what it does in order: what it has taken is finished, and others are told at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#following[Symbol.asyncDispose]();
    await Promise.all([...this.#members.values()].map((member) => member[Symbol.asyncDispose]()));
  }

  async #follow(signal: AbortSignal, working: () => void): Promise<void> {
    const { database } = this.#options;
    for await (const name of this.#databases.follow(signal, working)) {
      if ((database !== undefined && name !== database) || this.#members.has(name)) continue;
      const info = await this.#databases.info(name);
      this.#members.set(name, new Membership(info, this.#options, this.#ports));
    }
  }
}

/** Part of a group that shares the partitions of a database. */
class Membership implements AsyncDisposable {
  readonly #info: DatabaseInfo;
  readonly #options: RoleOptions;
  readonly #health: Health;
  readonly #membership: Supervisor;
  readonly #work = new Map<PartitionNo, PartitionWork>();
  /** The newest advice. */
  #advised: ReadonlySet<PartitionNo> = new Set();
  /** Work that ends: a partition is not begun again before. */
  readonly #ending = new Map<PartitionNo, Promise<void>>();

  constructor(info: DatabaseInfo, options: RoleOptions, ports: ClusterPorts) {
    this.#info = info;
    this.#options = options;
    this.#health = healthOf(`The group of ${options.name}s of ${info.name}`, 'joined', ports);
    this.#membership = Supervisor.start(
      { run: (signal, working) => this.#join(signal, working) },
      { ...ports, health: this.#health, pauses: PAUSES },
    );
  }

  get partitions(): readonly string[] {
    return [...this.#work.keys()].map((partition) => `${this.#info.name}/${partition}`);
  }

  failures(): readonly Failure[] {
    const own = this.#health.failure;
    return [
      ...(own === undefined ? [] : [own]),
      ...[...this.#work.values()].flatMap((work) => work.failures()),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Work first: who leaves the group earlier has its partitions claimed while it still works on them.
    this.#assign(new Set());
    await Promise.all(this.#ending.values());
    await this.#membership[Symbol.asyncDispose]();
    this.#assign(new Set());
    await Promise.all(this.#ending.values());
  }

  /** While the group cannot be reached the last advice stands, and so does the work. */
  async #join(signal: AbortSignal, working: () => void): Promise<void> {
    const { advice, name } = this.#options;
    const { transactions } = topicsOf(this.#info.name);
    const group = `pyralog.${name}.${this.#info.name}`;
    for await (const partitions of advice.join(group, transactions, signal)) {
      this.#assign(partitions);
      working();
    }
  }

  #assign(partitions: ReadonlySet<PartitionNo>): void {
    this.#advised = partitions;
    for (const [partition, work] of this.#work) {
      if (partitions.has(partition)) continue;
      this.#work.delete(partition);
      const ending = Promise.resolve(work[Symbol.asyncDispose]()).finally(() => {
        if (this.#ending.get(partition) === ending) this.#ending.delete(partition);
      });
      this.#ending.set(partition, ending);
    }
    for (const partition of partitions) {
      if (this.#work.has(partition)) continue;
      const before = this.#ending.get(partition);
      if (before === undefined) this.#begin(partition);
      else void before.then(() => this.#begin(partition));
    }
  }

  #begin(partition: PartitionNo): void {
    if (this.#work.has(partition) || !this.#advised.has(partition)) return;
    this.#work.set(partition, this.#options.begin({ info: this.#info, partition }));
  }
}
