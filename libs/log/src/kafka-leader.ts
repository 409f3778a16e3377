import { closed, type KafkaCluster } from './kafka-cluster.ts';
import type { KafkaConnection } from './kafka-connection.ts';
import type { TopicPartition } from './log.ts';

/**
 * A connection to the leader of a partition that nobody else uses: a broker answers the requests of a
 * connection one after the other, and these wait, for records or for replicas.
 */
export class LeaderConnection implements Disposable {
  readonly #cluster: KafkaCluster;
  readonly #at: TopicPartition;
  readonly #signal: AbortSignal;
  #connection: KafkaConnection | undefined;

  constructor(cluster: KafkaCluster, at: TopicPartition, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#at = at;
    this.#signal = signal;
  }

  /**
   * Until the leader answers with an error, which closes the connection: no answer that comes late may be
   * taken for another's, and the next attempt asks who leads now.
   */
  async use<T>(call: (connection: KafkaConnection) => Promise<T>): Promise<T> {
    try {
      return await call(await this.#open());
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #open(): Promise<KafkaConnection> {
    if (this.#connection?.isOpen) return this.#connection;
    const address = await this.#cluster.leader(this.#at);
    const connection = await this.#cluster.connect(address, this.#signal);
    // It may have come in the moment of the signal, behind the last call of dispose.
    if (this.#signal.aborted) {
      connection.close();
      throw closed();
    }
    this.#connection = connection;
    return connection;
  }
}
