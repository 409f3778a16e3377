import { utf8Encode } from '@pyralog/base';
import type { CreateOptions } from '@pyralog/client';
import { databaseKey, type DatabaseInfo, isDatabaseName } from '@pyralog/format';
import { partitionNo } from '@pyralog/model';
import { createDatabase, databaseInfo, databaseNames } from '../database-settings.ts';
import type { ClusterPorts } from './ports.ts';
import { at, DATABASES_TOPIC, topicsOf } from './topics.ts';

/** Partitions of a database where nobody says how many: each can be led by a process of its own. */
const PARTITIONS_DEFAULT = 8;

const DATABASES = at(DATABASES_TOPIC, partitionNo(0));

/** The databases of a cluster: what the bucket says. */
export class Databases {
  readonly #ports: ClusterPorts;

  constructor(ports: ClusterPorts) {
    this.#ports = ports;
  }

  /**
   * Makes a database: its settings, which are the commit point, and its topics, which are made again
   * where that was cut. Idempotent.
   * @throws database-exists where it has other settings
   */
  async create(name: string, options: CreateOptions): Promise<'created' | 'exists'> {
    const { info, result } = await createDatabase(name, options, {
      ...this.#ports,
      partitionsDefault: PARTITIONS_DEFAULT,
    });
    const { log } = this.#ports;
    for (const topic of Object.values(topicsOf(name)))
      await log.createTopic(topic, info.partitions);
    await log.createTopic(DATABASES_TOPIC, 1);
    await log.append(DATABASES, [{ value: utf8Encode(name) }]);
    return result;
  }

  list(): Promise<readonly string[]> {
    return databaseNames(this.#ports.objects);
  }

  /** @throws database-not-found */
  info(name: string): Promise<DatabaseInfo> {
    return databaseInfo(name, this.#ports.objects);
  }

  /**
   * Names of all databases, each once: those that are there and then those that are made, until the
   * signal aborts.
   * @param working called when it has begun to wait for new ones
   */
  async *follow(signal: AbortSignal, working: () => void): AsyncIterable<string> {
    const { log } = this.#ports;
    await log.createTopic(DATABASES_TOPIC, 1);
    // First the end, then the list: what is made between them is told by the topic.
    const { end } = await log.bounds(DATABASES);
    const told = new Set<string>();
    for (const name of await this.list()) {
      told.add(name);
      yield name;
    }
    working();
    for await (const batch of log.read(DATABASES, end, { follow: true, signal })) {
      for (const { value } of batch) {
        const name = value === null ? '' : Buffer.from(value).toString();
        // Anybody may write there: the bucket says whether it is one.
        if (told.has(name) || !isDatabaseName(name) || !(await this.#isThere(name))) continue;
        told.add(name);
        yield name;
      }
    }
  }

  async #isThere(name: string): Promise<boolean> {
    return (await this.#ports.objects.head(databaseKey(name))) !== undefined;
  }
}
