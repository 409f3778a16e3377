import { type ErrorCode, PyralogError, systemCode } from '@pyralog/model';

/** An answer of a store that says no. */
interface S3Refusal {
  /** `SlowDown`, `NoSuchKey` and so on; of an answer without a body what the SDK makes of its status. */
  readonly code: string;
  readonly status: number;
  readonly requestId: string | undefined;
}

/** @returns the refusal that an error of the SDK is; undefined where no answer came */
function refusalOf(error: unknown): S3Refusal | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const { httpStatusCode: status, requestId } = error.$metadata as {
    readonly httpStatusCode?: number;
    readonly requestId?: string;
  };
  return status === undefined ? undefined : { code: error.name, status, requestId };
}

/** Nothing has moved for too long. */
export class Silence extends Error {
  override readonly name = 'Silence';
  constructor(millis: number) {
    super(`no answer in ${millis} ms`);
  }
}

/** An answer that cannot be the right one: cut, or of other bytes than were put. */
export class MangledAnswer extends Error {
  override readonly name = 'MangledAnswer';
}

/** There is no such object. A HEAD does not say whether there is a bucket. */
export function isAbsent(error: unknown): boolean {
  const refusal = refusalOf(error);
  return refusal?.status === 404 && refusal.code !== 'NoSuchBucket';
}

/** The condition of a put does not hold: the key is taken. */
export function isTaken(error: unknown): boolean {
  return refusalOf(error)?.status === 412;
}

/** A range begins behind the end of the object. */
export function isBeyondEnd(error: unknown): boolean {
  return refusalOf(error)?.status === 416;
}

/** Refusals that pass though their status is one of the caller's own faults. */
const PASSING = new Set([
  // Another put or delete of the key is under way.
  'ConditionalRequestConflict',
  'OperationAborted',
  // What was sent arrived late, in part, or with other bytes.
  'RequestTimeout',
  'IncompleteBody',
  'BadDigest',
  'InvalidDigest',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
  // The SDK takes the store's clock from this answer and signs the next request by it.
  'RequestTimeTooSkewed',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
]);

const TOO_MANY_REQUESTS = 429;
const NOT_IMPLEMENTED = 501;
const INSUFFICIENT_STORAGE = 507;

/** Whether another attempt may succeed: over a new connection, or a moment later. */
export function mayPass(error: unknown): boolean {
  if (isFull(error)) return false;
  const refusal = refusalOf(error);
  if (refusal === undefined) return isTrouble(error);
  const { code, status } = refusal;
  return (
    PASSING.has(code) ||
    status === TOO_MANY_REQUESTS ||
    (status >= 500 && status !== NOT_IMPLEMENTED) ||
    // A whole answer that could not be read.
    status < 300
  );
}

const FULL = new Set(['XMinioStorageFull', 'InsufficientStorage', 'QuotaExceeded']);

function isFull(error: unknown): boolean {
  const refusal = refusalOf(error);
  if (refusal === undefined) return false;
  return FULL.has(refusal.code) || refusal.status === INSUFFICIENT_STORAGE;
}

const TROUBLES = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'EPROTO',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** Failures of connections: the system's, those of Node's HTTP, and those of the time limits. */
function isTrouble(error: unknown): error is Error {
  if (error instanceof Silence || error instanceof MangledAnswer) return true;
  if (!(error instanceof Error)) return false;
  const code = systemCode(error) ?? '';
  return error.name === 'TimeoutError' || TROUBLES.has(code) || code.startsWith('HPE_');
}

/** A certificate that is not to be trusted stays so. */
function isDistrust(error: unknown): error is Error {
  return /CERT|SELF_SIGNED|^ERR_(TLS|SSL)_/.test(systemCode(error) ?? '');
}

/** Refusals of the signature or of who signed. Their texts repeat what was signed, and with which key. */
const SIGN_IN = new Set([
  'SignatureDoesNotMatch',
  'InvalidAccessKeyId',
  'InvalidToken',
  'ExpiredToken',
  'TokenRefreshRequired',
  'AuthorizationHeaderMalformed',
]);

/**
 * What callers are told of a failure: a sentence that names the store and what it said, and the cause
 * without what the SDK hangs on it, which holds the request with its signature and its key.
 *
 * @param what what could not be done, as the beginning of a sentence
 * @param store the name of the store
 */
export function operatingError(error: unknown, what: string, store: string): unknown {
  const refusal = refusalOf(error);
  if (refusal !== undefined) return refused(refusal, what, store);
  if (error instanceof Error && error.name === 'CredentialsProviderError') {
    return new PyralogError('storage-failed', `${what}: there are no credentials for ${store}.`, {
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.',
    });
  }
  if (error instanceof MangledAnswer)
    return new PyralogError('storage-failed', `${what}: ${store} ${error.message}.`);
  // A defect stays what it is.
  if (!isTrouble(error) && !isDistrust(error)) return error;
  const said = systemCode(error) ?? error.message;
  return new PyralogError('unreachable', `${what}: ${store} cannot be reached (${said}).`, {
    cause: error,
    hint: isDistrust(error)
      ? 'Its certificate is not trusted here: NODE_EXTRA_CA_CERTS names a file with others to trust.'
      : 'Check that the store runs, and that its address is right.',
  });
}

function refused(refusal: S3Refusal, what: string, store: string): PyralogError {
  const { code, status, requestId } = refusal;
  // A HEAD has no body, and the SDK no name for its status.
  const said = /^[A-Z][A-Za-z0-9]+$/.test(code) && code !== 'UnknownError' ? ` ${code}` : '';
  const [kind, hint] = adviceOn(refusal);
  return new PyralogError(kind, `${what}: ${store} answers ${status}${said}.`, {
    hint,
    cause: Object.assign(new Error(`${status}${said}`), { requestId }),
  });
}

function adviceOn({ code, status }: S3Refusal): readonly [ErrorCode, string | undefined] {
  if (FULL.has(code) || status === INSUFFICIENT_STORAGE) {
    return ['storage-full', 'Make room: writes go on by themselves, and reads were never stopped.'];
  }
  if (status === NOT_IMPLEMENTED)
    return ['store-unfit', 'Use a store that knows what is asked of it here.'];
  if (code === 'NoSuchBucket') return ['storage-failed', 'Make the bucket, or give another.'];
  if (SIGN_IN.has(code)) {
    return [
      'storage-failed',
      'Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION.',
    ];
  }
  if (status === 301 || code === 'IllegalLocationConstraintException')
    return ['storage-failed', 'The bucket is in another region: set AWS_REGION to it.'];
  if (status === 403) {
    return [
      'storage-failed',
      'The credentials must allow to get, put, list and delete objects of the bucket.',
    ];
  }
  return ['storage-failed', undefined];
}
