import { type Failure, type Threads } from '@pyralog/runtime';
import { Bucket } from '@pyralog/reading';
import { runIndexerThread } from '../indexer-thread.ts';
import { healthOf } from '../troubles.ts';
import { publishChanges } from './changes.ts';
import type { Followers, Following } from './followers.ts';
import type { ClusterPorts } from './ports.ts';
import { publishRejects } from './rejections.ts';
import { type Assignment, type PartitionWork, supervised, type WorkService } from './role.ts';
import { at, topicsOf } from './topics.ts';
import { updateViews } from './views-update.ts';

/**
 * What an indexer does for a partition: its files, on a thread of their own, and what is made of its
 * transactions for others. Each goes on by itself when another cannot.
 */
export class IndexerWork implements PartitionWork {
  readonly #assignment: Assignment;
  readonly #ports: ClusterPorts;
  readonly #work: PartitionWork;
  /** What changes and views are read from. */
  readonly #following: Following;

  constructor(assignment: Assignment, threads: Threads, followers: Followers, ports: ClusterPorts) {
    this.#assignment = assignment;
    this.#following = followers.hold(assignment.info);
    this.#ports = ports;
    this.#work = supervised(
      [this.#index(threads), ...this.#publications(), ...this.#views()],
      ports,
    );
  }

  failures(): readonly Failure[] {
    return this.#work.failures();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#work, this.#following].map((each) => each[Symbol.asyncDispose]()));
  }

  get #what(): string {
    const { info, partition } = this.#assignment;
    return `${info.name}/${partition}`;
  }

  #index(threads: Threads): WorkService {
    const { info, partition } = this.#assignment;
    const topic = at(topicsOf(info.name).commits, partition);
    const options = { ...this.#ports, threads, info, partition, topic, bucketDir: undefined };
    return {
      health: healthOf(`The index of ${this.#what}`, 'written', this.#ports),
      run: (signal, working) => runIndexerThread(options, async () => working(), signal),
    };
  }

  #publications(): readonly WorkService[] {
    const { info, partition } = this.#assignment;
    const { log, objects, codec, clock } = this.#ports;
    const topics = topicsOf(info.name);
    return [
      {
        health: healthOf(`The topic ${topics.changes}`, 'written', this.#ports),
        run: async (signal, working) => {
          const topic = at(topics.changes, partition);
          const database = await this.#following.database();
          await publishChanges(database, { log, topic, clock }, signal, working);
        },
      },
      {
        health: healthOf(`The topic ${topics.rejects}`, 'written', this.#ports),
        run: (signal, working) =>
          publishRejects(
            {
              log,
              clock,
              bucket: new Bucket(info.name, objects, codec),
              partition,
              commits: at(topics.commits, partition),
              inputs: at(topics.transactions, partition),
              rejects: at(topics.rejects, partition),
            },
            signal,
            working,
          ),
      },
    ];
  }

  #views(): readonly WorkService[] {
    const { views } = this.#ports;
    if (views === undefined) return [];
    const { partition } = this.#assignment;
    return [
      {
        health: healthOf(`The views of ${this.#what}`, 'written', this.#ports),
        run: async (signal, working) => {
          const database = await this.#following.database();
          const home = database.home(partition);
          await updateViews({ views, database, home, partition }, signal, working);
        },
      },
    ];
  }
}
