import { createRequire } from 'node:module';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { SASLOptions } from 'kafkajs';
import type { TopicPartition } from './log.ts';

/**
 * One connection to one broker, and all that is used of kafkajs: its connection, handshake, sign-in and
 * the small requests. Its producer, consumer and admin client are not used:
 *
 * - a consumer reads in a group only. A group costs a join before the first record, moves partitions
 *   between readers, forgets positions on every rejoin, and answers OFFSET_OUT_OF_RANGE by going on at
 *   the other end of the log;
 * - a producer retries inside, by a rule per client, and takes the sequence number of a send that failed
 *   again for another: what the broker then takes for a repetition is lost, though acknowledged;
 * - each has its own idea of what passes and of how long to wait. Here `KafkaCluster.retrying` decides,
 *   for all calls alike;
 * - a consumer fetches from a broker again when all of its last fetch is handled, so one slow reader holds
 *   up all, and a producer copies its list of records once for each of them.
 *
 * The inner modules have no types and no promise. They are frozen with the exact version in package.json,
 * which is the last of kafkajs; everything taken from them is named in this file.
 */
const require = createRequire(import.meta.url);
const Broker = require('kafkajs/src/broker/index.js') as new (options: {
  readonly connectionPool: KafkajsPool;
  readonly logger: unknown;
  readonly allowAutoTopicCreation: boolean;
}) => KafkajsBroker;
const ConnectionPool = require('kafkajs/src/network/connectionPool.js') as new (
  options: object,
) => KafkajsPool;
const Encoder = require('kafkajs/src/protocol/encoder.js') as new (size?: number) => KafkajsEncoder;
const fetchRequest = require('kafkajs/src/protocol/requests/fetch/v11/request.js') as (
  options: object,
) => KafkajsRequest['request'];
const metadataRequest = require('kafkajs/src/protocol/requests/metadata/v6/request.js') as (
  options: object,
) => KafkajsRequest['request'];
const metadataResponse = require('kafkajs/src/protocol/requests/metadata/v6/response.js') as {
  decode: (payload: Buffer) => Promise<KafkaMetadata>;
};
const { protocol: joinGroupProtocol } =
  require('kafkajs/src/protocol/requests/joinGroup/index.js') as {
    protocol: (options: { readonly version: number }) => (options: JoiningGroup) => KafkajsRequest;
  };
const { createErrorFromCode } = require('kafkajs/src/protocol/error.js') as {
  createErrorFromCode: (code: number) => Error;
};
const produceResponse =
  require('kafkajs/src/protocol/requests/produce/v7/response.js') as KafkajsRequest['response'];
const assignerProtocol = require('kafkajs/src/consumer/assignerProtocol.js') as {
  readonly MemberMetadata: MetadataCodec;
  readonly MemberAssignment: AssignmentCodec;
};
const { createLogger } = require('kafkajs/src/loggers/index.js') as {
  createLogger: (options: {
    readonly level: number;
    readonly logCreator: () => (entry: KafkajsLogEntry) => void;
  }) => unknown;
};

interface KafkajsEncoder {
  writeInt16(value: number): KafkajsEncoder;
  writeInt32(value: number): KafkajsEncoder;
  writeString(value: string | null): KafkajsEncoder;
  writeBufferInternal(value: Buffer): void;
}

interface KafkajsRequest {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    readonly encode: () => Promise<KafkajsEncoder>;
  };
  readonly response: {
    decode(payload: Buffer): Promise<unknown>;
    parse(decoded: unknown): Promise<unknown>;
  };
  readonly requestTimeout?: number;
  readonly logResponseError?: boolean;
}

interface KafkajsConnection {
  isConnected(): boolean;
  processData(data: Buffer): void;
  send: (request: KafkajsRequest) => Promise<unknown>;
  readonly requestQueue: {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
    rejectAll(error: Error): void;
  };
}

interface KafkajsPool {
  readonly pool: readonly KafkajsConnection[];
}

interface KafkajsLogEntry {
  readonly label: string;
  readonly namespace: string;
  readonly log: { readonly message: string; readonly timestamp: string; readonly logger: string };
}

/** Where and when a batch was written. */
export interface Produced {
  /** Offset of its first record; -1 where the broker does not say. */
  readonly first: number;
  /** By the broker's clock, in milliseconds since 1970; undefined where the topic keeps producers' times. */
  readonly appendedMillis: number | undefined;
}

/** What a broker knows of the cluster and of one topic. */
export interface KafkaMetadata {
  readonly controllerId: number;
  readonly brokers: readonly {
    readonly nodeId: number;
    readonly host: string;
    readonly port: number;
  }[];
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly partitionMetadata: readonly {
      readonly partitionId: number;
      readonly leader: number;
      readonly replicas: readonly number[];
    }[];
  }[];
}

/** A topic to be made. */
export interface NewTopic {
  readonly topic: string;
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly configEntries: readonly { readonly name: string; readonly value: string }[];
}

/** A process that asks to be a member of a group. */
interface JoiningGroup {
  readonly groupId: string;
  readonly sessionTimeout: number;
  readonly rebalanceTimeout: number;
  /** Empty at first: {@link givenMemberId}. */
  readonly memberId: string;
  readonly protocolType: string;
  readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[];
}

/** A member of a group as its coordinator sees it. */
export interface JoinedGroup {
  readonly generationId: number;
  readonly leaderId: string;
  readonly memberId: string;
  /** Of all members, for the one that is `leaderId`; else empty. */
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[];
}

interface KafkajsBroker {
  readonly versions: Readonly<Record<number, { minVersion: number; maxVersion: number }>>;
  connect(): Promise<void>;
  listOffsets(options: object): Promise<{
    readonly responses: readonly {
      readonly partitions: readonly { readonly offset: string }[];
    }[];
  }>;
  initProducerId(options: {
    readonly transactionTimeout: number;
    readonly transactionalId: null;
  }): Promise<{ readonly producerId: string; readonly producerEpoch: number }>;
  createTopics(options: {
    readonly topics: readonly NewTopic[];
    readonly timeout: number;
  }): Promise<unknown>;
  describeConfigs(options: {
    readonly resources: readonly { readonly type: number; readonly name: string }[];
  }): Promise<{
    readonly resources: readonly {
      readonly configEntries: readonly {
        readonly configName: string;
        readonly configValue: string | null;
      }[];
    }[];
  }>;
  findGroupCoordinator(options: {
    readonly groupId: string;
    readonly coordinatorType: number;
  }): Promise<{ readonly coordinator: { readonly host: string; readonly port: number } }>;
  syncGroup(options: {
    readonly groupId: string;
    readonly generationId: number;
    readonly memberId: string;
    readonly groupAssignment: readonly {
      readonly memberId: string;
      readonly memberAssignment: Buffer;
    }[];
  }): Promise<{ readonly memberAssignment: Buffer }>;
  heartbeat(options: {
    readonly groupId: string;
    readonly groupGenerationId: number;
    readonly memberId: string;
  }): Promise<unknown>;
  leaveGroup(options: { readonly groupId: string; readonly memberId: string }): Promise<unknown>;
}

/** What brokers say and kafkajs logs, one line each. */
export interface KafkaLogLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** How brokers are spoken to. */
export interface KafkaConnectionOptions {
  /** Names this process in the brokers' logs and quotas. */
  readonly clientId: string;
  readonly ssl?: ConnectionOptions | boolean | undefined;
  readonly sasl?: SASLOptions | undefined;
  /** Told what kafkajs would write to the console. Failures reach callers as errors without it. */
  readonly onLog?: ((line: KafkaLogLine) => void) | undefined;
}

const CONNECT_MILLIS = 3_000;
/** A broker that has not answered for so long is taken for lost. Longer than it may wait for replicas. */
const REQUEST_MILLIS = 15_000;
/** How long a broker may wait for its replicas, or for a topic to be made. */
const REPLICAS_MILLIS = 10_000;
/** Fetch 11 and JoinGroup 5 are of Kafka 2.3, Produce 7 of 2.1; Kafka 4 still has them. */
const FETCH = { apiKey: 1, apiVersion: 11 };
const PRODUCE = { apiKey: 0, apiVersion: 7, apiName: 'Produce' };
const joinGroup = joinGroupProtocol({ version: 5 });
const ALL_IN_SYNC_REPLICAS = -1;
/** What belongs to transactions that are open or were aborted is not given. */
const READ_COMMITTED = 1;
const UNKNOWN_TOPIC = 3;
const INVALID_TOPIC = 17;
const TOPIC_RESOURCE = 2;
const GROUP_COORDINATOR = 0;
const LOG_LEVEL_INFO = 4;

/** A connection to one broker, from {@link open} until {@link close} or its first failure. */
export class KafkaConnection {
  /** `host:port`. */
  readonly address: string;
  readonly #broker: KafkajsBroker;
  readonly #connection: KafkajsConnection;
  #socket: Socket | undefined;
  #onLost: () => void = () => undefined;
  #closed = false;
  #lost = false;

  private constructor(address: string, options: KafkaConnectionOptions) {
    const { clientId, ssl = false, sasl = null } = options;
    const logger = createLogger({
      level: LOG_LEVEL_INFO,
      logCreator: () => (entry) => {
        // What it says of a connection that was closed here is no news.
        if (!this.#closed) options.onLog?.(logLine(entry));
      },
    });
    const { host, port } = splitAddress(address);
    const connectionPool = new ConnectionPool({
      logger,
      host,
      port,
      clientId,
      ssl: ssl === true ? {} : ssl === false ? null : ssl,
      sasl,
      socketFactory: (target: SocketTarget) => this.#openSocket(target),
      connectionTimeout: CONNECT_MILLIS,
      requestTimeout: REQUEST_MILLIS,
    });
    this.address = address;
    this.#broker = new Broker({ connectionPool, logger, allowAutoTopicCreation: false });
    // The pool has a second connection for fetches, to keep them from delaying others. Here whoever waits
    // has a connection of its own, so the second is never opened.
    this.#connection = connectionPool.pool[0] as KafkajsConnection;
    this.#mend(this.#connection);
  }

  /** @throws what kafkajs throws; see `kafka-errors.ts`. */
  static async open(
    address: string,
    options: KafkaConnectionOptions,
    signal: AbortSignal,
  ): Promise<KafkaConnection> {
    const connection = new KafkaConnection(address, options);
    const stop = (): void => connection.close();
    // A socket that breaks while signing in leaves kafkajs waiting for ever.
    const timer = setTimeout(stop, CONNECT_MILLIS + REQUEST_MILLIS);
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        connection.#onLost = () => reject(new LostConnection(address));
        connection.#broker.connect().then(resolve, reject);
      });
      const { minVersion, maxVersion } = connection.#broker.versions[FETCH.apiKey] ?? {
        minVersion: 0,
        maxVersion: 0,
      };
      if (minVersion > FETCH.apiVersion || maxVersion < FETCH.apiVersion)
        throw new UnfitBroker(`${address} speaks Fetch ${minVersion} to ${maxVersion}`);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  get isOpen(): boolean {
    return !this.#closed && !this.#lost && this.#connection.isConnected();
  }

  /** At once: requests under way reject. */
  close(): void {
    this.#closed = true;
    // With an error, because that is what makes kafkajs reject what waits; ending the socket would wait.
    this.#socket?.destroy(new Error('The connection is no longer needed.'));
  }

  /** Also where there is no such topic: {@link isUnknown}. */
  async metadata(topic: string): Promise<KafkaMetadata> {
    const metadata = (await this.#connection.send({
      request: metadataRequest({ topics: [topic], allowAutoTopicCreation: false }),
      response: {
        decode: (payload) => metadataResponse.decode(payload),
        // kafkajs would refuse the whole topic while one of its partitions has no leader.
        parse: (decoded) => Promise.resolve(decoded),
      },
    })) as KafkaMetadata;
    const code = metadata.topicMetadata[0]?.topicErrorCode ?? 0;
    if (code !== 0 && !isUnknown(metadata)) throw createErrorFromCode(code);
    return metadata;
  }

  /** `start`: the oldest retained offset; `end`: behind the last record that may be read. */
  async listOffset({ topic, partition }: TopicPartition, which: 'start' | 'end'): Promise<number> {
    const timestamp = which === 'start' ? -2 : -1;
    const { responses } = await this.#broker.listOffsets({
      isolationLevel: READ_COMMITTED,
      topics: [{ topic, partitions: [{ partition, timestamp }] }],
    });
    return Number(responses[0]?.partitions[0]?.offset);
  }

  async initProducer(): Promise<{ readonly id: number; readonly epoch: number }> {
    const { producerId, producerEpoch } = await this.#broker.initProducerId({
      transactionalId: null,
      transactionTimeout: REPLICAS_MILLIS,
    });
    return { id: Number(producerId), epoch: producerEpoch };
  }

  async produce({ topic, partition }: TopicPartition, batch: Uint8Array): Promise<Produced> {
    const encode = (): Promise<KafkajsEncoder> => {
      const encoder = new Encoder(batch.length + topic.length + 64)
        .writeString(null)
        .writeInt16(ALL_IN_SYNC_REPLICAS)
        .writeInt32(REPLICAS_MILLIS)
        .writeInt32(1)
        .writeString(topic)
        .writeInt32(1)
        .writeInt32(partition)
        .writeInt32(batch.length);
      encoder.writeBufferInternal(asBuffer(batch));
      return Promise.resolve(encoder);
    };
    const { topics } = (await this.#connection.send({
      request: { ...PRODUCE, encode },
      response: produceResponse,
    })) as {
      topics: readonly {
        partitions: readonly { baseOffset: string; logAppendTime: string }[];
      }[];
    };
    const answer = topics[0]?.partitions[0];
    const appended = Number(answer?.logAppendTime ?? -1);
    return {
      first: Number(answer?.baseOffset ?? -1),
      appendedMillis: appended < 0 ? undefined : appended,
    };
  }

  /** Waits at the broker for the first byte. @returns the answer as it came, to be decoded */
  async fetch(
    { topic, partition }: TopicPartition,
    from: number,
    { bytesMax, waitMillis }: { readonly bytesMax: number; readonly waitMillis: number },
  ): Promise<Uint8Array> {
    const request = fetchRequest({
      replicaId: -1,
      isolationLevel: READ_COMMITTED,
      maxWaitTime: waitMillis,
      minBytes: 1,
      maxBytes: bytesMax,
      topics: [{ topic, partitions: [{ partition, fetchOffset: from, maxBytes: bytesMax }] }],
    });
    const answer = await this.#connection.send({
      request,
      response: {
        // The first field is how long the broker asks the client to keep still; kafkajs does.
        decode: (payload) =>
          Promise.resolve({ payload, clientSideThrottleTime: payload.readInt32BE(0) }),
        parse: (decoded) => Promise.resolve((decoded as { payload: Buffer }).payload),
      },
    });
    const { buffer, byteOffset, byteLength } = answer as Buffer;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  async createTopic(topic: NewTopic): Promise<void> {
    await this.#broker.createTopics({ topics: [topic], timeout: REPLICAS_MILLIS });
  }

  /** The settings in force for a topic, defaults of the broker included. */
  async describeTopic(topic: string): Promise<ReadonlyMap<string, string>> {
    const { resources } = await this.#broker.describeConfigs({
      resources: [{ type: TOPIC_RESOURCE, name: topic }],
    });
    return new Map(
      resources
        .flatMap(({ configEntries }) => configEntries)
        .map(({ configName, configValue }) => [configName, configValue ?? '']),
    );
  }

  /** Address of the broker that keeps a group. */
  async findCoordinator(groupId: string): Promise<string> {
    const { coordinator } = await this.#broker.findGroupCoordinator({
      groupId,
      coordinatorType: GROUP_COORDINATOR,
    });
    return `${coordinator.host}:${coordinator.port}`;
  }

  /** Held by the coordinator until all members have come. @throws also what {@link givenMemberId} reads */
  async joinGroup(options: JoiningGroup): Promise<JoinedGroup> {
    return (await this.#connection.send(joinGroup(options))) as JoinedGroup;
  }

  async syncGroup(options: Parameters<KafkajsBroker['syncGroup']>[0]): Promise<Buffer> {
    return (await this.#broker.syncGroup(options)).memberAssignment;
  }

  async heartbeat(options: Parameters<KafkajsBroker['heartbeat']>[0]): Promise<void> {
    await this.#broker.heartbeat(options);
  }

  async leaveGroup(options: Parameters<KafkajsBroker['leaveGroup']>[0]): Promise<void> {
    await this.#broker.leaveGroup(options);
  }

  /** kafkajs connects again by itself, without the handshake: here a connection is opened once. */
  #openSocket({ host, port, ssl, onConnect }: SocketTarget): Socket {
    if (this.#closed || this.#socket !== undefined) throw new Error('The connection is closed.');
    const socket = ssl
      ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
      : connectTcp({ host, port }, onConnect);
    // Small requests go out at once; what is sent is one write each.
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    const lost = (): void => {
      this.#lost = true;
    };
    socket.once('end', lost);
    socket.once('close', () => {
      lost();
      // A request that was made while kafkajs took leave of its broker would wait for ever.
      this.#connection.requestQueue.rejectAll(new LostConnection(this.address));
      this.#onLost();
    });
    this.#socket = socket;
    return socket;
  }

  #mend(connection: KafkajsConnection): void {
    // kafkajs asks every millisecond, for ever, whether something waits for the end of a throttling.
    const queue = connection.requestQueue;
    const schedule = queue.scheduleCheckPendingRequests.bind(queue);
    queue.scheduleCheckPendingRequests = () => {
      if (queue.pending.length > 0) schedule();
    };
    // A request that was not answered in time says that nothing more will come over this connection: the
    // broker's machine may be gone, which a socket learns after minutes.
    const send = connection.send.bind(connection);
    connection.send = async (request) => {
      try {
        return await send({ ...request, response: strict(request.response) });
      } catch (error) {
        if (error instanceof Error && error.name === 'KafkaJSRequestTimeoutError')
          this.#socket?.destroy(error);
        throw error;
      }
    };
    // What no broker sent makes its decoder throw in a listener of the socket, which ends the process.
    const processData = connection.processData.bind(connection);
    connection.processData = (data) => {
      try {
        processData(data);
      } catch (error) {
        this.#socket?.destroy(new GarbledAnswer(error));
      }
    };
  }
}

interface SocketTarget {
  readonly host: string;
  readonly port: number;
  readonly ssl: ConnectionOptions | null;
  readonly onConnect: () => void;
}

/** The socket closed before the broker was ready. */
export class LostConnection extends Error {
  override readonly name = 'LostConnection';
  constructor(address: string) {
    super(`The connection to ${address} was closed.`);
  }
}

/** What came is no answer that a broker gives. */
export class GarbledAnswer extends Error {
  override readonly name = 'GarbledAnswer';
  constructor(cause: unknown) {
    super('The answer is not of Kafka.', { cause });
  }
}

/** Tells answers that cannot be read from those that say no. */
function strict(response: KafkajsRequest['response']): KafkajsRequest['response'] {
  return {
    ...response,
    async decode(payload) {
      try {
        return await response.decode(payload);
      } catch (error) {
        throw error instanceof Error && error.name.startsWith('KafkaJS')
          ? error
          : new GarbledAnswer(error);
      }
    },
  };
}

/** A broker that speaks no version that is spoken here. */
export class UnfitBroker extends Error {
  override readonly name = 'UnfitBroker';
}

/** Whether a broker says that there is no such topic, or that no topic has such a name. */
export function isUnknown({ topicMetadata }: KafkaMetadata): boolean {
  const code = topicMetadata[0]?.topicErrorCode;
  return code === UNKNOWN_TOPIC || code === INVALID_TOPIC;
}

/**
 * The name under which a coordinator lets a process join that has asked without one. Asked for apart, so that
 * a member that stops while it is held can be struck off.
 */
export function givenMemberId(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'KafkaJSMemberIdRequired') return undefined;
  return 'memberId' in error && typeof error.memberId === 'string' ? error.memberId : undefined;
}

interface MetadataCodec {
  encode(metadata: {
    readonly version: number;
    readonly topics: readonly string[];
    readonly userData: Buffer;
  }): Buffer;
  decode(bytes: Buffer): { readonly userData: Buffer };
}

interface AssignmentCodec {
  encode(assignment: {
    readonly version: number;
    readonly assignment: Readonly<Record<string, readonly number[]>>;
  }): Buffer;
  /** null of no bytes. */
  decode(bytes: Buffer): { readonly assignment: Record<string, number[]> } | null;
}

/** What a member of a group says of itself, in the form that tools for consumer groups read. */
export const MemberMetadata: MetadataCodec = assignerProtocol.MemberMetadata;
/** What a member of a group is told, in that form. */
export const MemberAssignment: AssignmentCodec = assignerProtocol.MemberAssignment;

/** The refusal that a broker's number stands for. */
export function errorOfCode(code: number): Error {
  return createErrorFromCode(code);
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(address.slice(colon + 1)),
  };
}

function logLine({ label, namespace, log }: KafkajsLogEntry): KafkaLogLine {
  const { message, timestamp: _timestamp, logger: _logger, ...fields } = log;
  return {
    level: label.toLowerCase() as KafkaLogLine['level'],
    message,
    fields: { namespace, ...fields },
  };
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
