import { isPyralogError, PyralogError } from '@pyralog/model';
import { GarbledAnswer, LostConnection, UnfitBroker } from './kafka-connection.ts';

/** An answer of a broker that says no. */
interface Refusal extends Error {
  /** `NOT_LEADER_FOR_PARTITION` and so on. */
  readonly type: string;
  readonly retriable: boolean;
}

/** @returns the refusal that an error of kafkajs is, or holds. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('type' in error && typeof error.type === 'string') return error as Refusal;
  // Of a request for several topics, though there was one.
  if ('errors' in error && Array.isArray(error.errors)) return refusalOf(error.errors[0]);
  return undefined;
}

/** Refusals that kafkajs takes for final and the Java client does not. */
const PASSING = new Set(['KAFKA_STORAGE_ERROR', 'UNKNOWN']);
/** Refusals that no repetition mends, whatever kafkajs says. */
const FINAL = new Set(['CORRUPT_MESSAGE']);

/**
 * Whether another attempt may succeed: over a new connection, at another leader, a moment later. Of errors
 * without a code of a broker those of connections and time limits pass; the rest are defects.
 */
export function mayPass(error: unknown): boolean {
  const refusal = refusalOf(error);
  if (refusal !== undefined)
    return PASSING.has(refusal.type) || (refusal.retriable && !FINAL.has(refusal.type));
  return isTrouble(error);
}

const TROUBLES = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSLockTimeout',
]);

function isTrouble(error: unknown): boolean {
  return error instanceof LostConnection || (error instanceof Error && TROUBLES.has(error.name));
}

/** Refusals after which a batch is certainly not in the log. All others may come after it was written. */
const UNWRITTEN = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'CORRUPT_MESSAGE',
  'NOT_ENOUGH_REPLICAS',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
]);

/** Whether a batch that was sent may be in the log though it was refused so. */
export function mayBeWritten(error: unknown): boolean {
  const refusal = refusalOf(error);
  return refusal === undefined || !UNWRITTEN.has(refusal.type);
}

/** The broker has forgotten the producer, which is the case after a day without a record. */
export function isForgottenProducer(error: unknown): boolean {
  const type = refusalOf(error)?.type;
  return (
    type === 'OUT_OF_ORDER_SEQUENCE_NUMBER' ||
    type === 'UNKNOWN_PRODUCER_ID' ||
    type === 'INVALID_PRODUCER_EPOCH'
  );
}

const SIGN_IN = /SASL|AUTHORIZATION|SECURITY/;

/** What callers are told of a failure that does not pass. A defect stays what it is. */
export function operatingError(error: unknown, what: string): unknown {
  if (isPyralogError(error)) return error;
  const cause = { cause: error };
  if (error instanceof GarbledAnswer) {
    return new PyralogError('storage-failed', `${what}: the answer is not of Kafka.`, {
      ...cause,
      hint: 'Check that the addresses are those of Kafka brokers, without TLS where none was asked for.',
    });
  }
  if (error instanceof UnfitBroker) {
    return new PyralogError('storage-failed', `${what}: ${error.message}.`, {
      ...cause,
      hint: 'Kafka 2.3 or later is needed.',
    });
  }
  const refusal = refusalOf(error);
  if (refusal?.type === 'MESSAGE_TOO_LARGE' || refusal?.type === 'RECORD_LIST_TOO_LARGE') {
    return new PyralogError('storage-failed', `${what}: the broker takes no batch of this size.`, {
      ...cause,
      hint: 'Set max.message.bytes of the topic to 1048588 or more; `pyralog doctor` names such settings.',
    });
  }
  const name = error instanceof Error ? error.name : '';
  if (refusal !== undefined || name.startsWith('KafkaJS')) {
    const said = refusal?.type ?? (error as Error).message;
    const hint = SIGN_IN.test(`${said} ${name}`)
      ? 'Check the name, the password and the rights that Kafka knows.'
      : undefined;
    return new PyralogError('storage-failed', `${what}: the broker answers ${said}.`, {
      ...cause,
      hint,
    });
  }
  return isTrouble(error) ? unreachable(error, what) : error;
}

/** What callers are told of a failure that should have passed and has not. */
export function unreachable(error: unknown, what: string): PyralogError {
  const refusal = refusalOf(error);
  const said = refusal?.type ?? (error instanceof Error ? error.message : String(error));
  return new PyralogError(
    refusal === undefined ? 'unreachable' : 'storage-failed',
    `${what}: ${said.replace(/\.$/, '')}.`,
    {
      cause: error,
      hint:
        refusal === undefined
          ? 'Check that the brokers run, and that their advertised addresses can be reached from here.'
          : undefined,
    },
  );
}
