import type { Log, StoredRecord } from '@pyralog/log';
import { logOffset, partitionNo } from '@pyralog/model';
import type { Admin, Message } from 'kafkajs';
import {
  type Cluster as Engines,
  connectCluster,
} from '../../services/pyralog/src/cluster/connect.ts';
import type { Cluster } from './cluster.ts';

/** The topics of a cluster, as a program beside it reads and writes them. */
export class Topics implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #engines: Engines;

  private constructor(cluster: Cluster, engines: Engines) {
    this.#cluster = cluster;
    this.#engines = engines;
  }

  static async open(cluster: Cluster): Promise<Topics> {
    const { address, bucket } = cluster.s3;
    const nobody = (): void => undefined;
    const engines = await connectCluster(
      {
        kafka: [cluster.kafka.address],
        replication: 1,
        s3: address,
        bucket,
        redis: undefined,
      },
      cluster.keys,
      { onFailure: nobody, onRecovery: nobody, onVoid: nobody },
    );
    return new Topics(cluster, engines);
  }

  /** What is too large for a record is read with it. */
  get #log(): Log {
    return this.#engines.ports.log;
  }

  /** Records of a partition from an offset on, in batches. */
  batches(topic: string, partition = 0, from = 0): AsyncIterable<readonly StoredRecord[]> {
    const at = { topic, partition: partitionNo(partition) };
    return this.#log.read(at, logOffset(from), { follow: false });
  }

  /** Records of a partition from an offset on. */
  async read(topic: string, from = 0, partition = 0): Promise<readonly StoredRecord[]> {
    const records: StoredRecord[] = [];
    for await (const batch of this.batches(topic, partition, from)) records.push(...batch);
    return records;
  }

  /** Offset of the first record that is kept. */
  async start(topic: string, partition = 0): Promise<number> {
    return (await this.#log.bounds({ topic, partition: partitionNo(partition) })).start;
  }

  /** Offset behind the last record. */
  async end(topic: string): Promise<number> {
    return (await this.#log.bounds({ topic, partition: partitionNo(0) })).end;
  }

  /** Sends records to the only partition, as a client of the broker does. @returns the offset of the first */
  async send(topic: string, ...messages: readonly Message[]): Promise<number> {
    const producer = this.#cluster.client.producer({ createPartitioner: () => () => 0 });
    await producer.connect();
    try {
      const [sent] = await producer.send({ topic, messages: [...messages] });
      return Number(sent?.baseOffset);
    } finally {
      await producer.disconnect();
    }
  }

  /** Deletes what lies before an offset. */
  deleteBefore(topic: string, offset: number): Promise<void> {
    return this.#administer(async (admin) => {
      // The client deletes only in topics that it has heard of.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({
        topic,
        partitions: [{ partition: 0, offset: String(offset) }],
      });
    });
  }

  /** Lets a topic have records of this size. */
  takeUpTo(topic: string, bytes: number): Promise<void> {
    return this.#administer(async (admin) => {
      await admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: TOPIC,
            name: topic,
            configEntries: [{ name: 'max.message.bytes', value: String(bytes) }],
          },
        ],
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engines[Symbol.asyncDispose]();
  }

  async #administer(action: (admin: Admin) => Promise<void>): Promise<void> {
    const admin = this.#cluster.client.admin();
    await admin.connect();
    try {
      await action(admin);
    } finally {
      await admin.disconnect();
    }
  }
}

const TOPIC = 2;

/** Headers as text. */
export function headersOf({ headers = {} }: StoredRecord): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Buffer.from(value).toString()]),
  );
}
