/**
 * Every way in which Pyralog says no, in one table: what the caller is told and what every layer
 * does about it. A code is part of the contract; its sentence and hint may get better.
 */
export interface ErrorRow {
  /** Cognitect's anomaly categories, of which HTTP status, retry and log level follow. */
  readonly category:
    | 'incorrect'
    | 'conflict'
    | 'unsupported'
    | 'not-found'
    | 'forbidden'
    | 'busy'
    | 'unavailable'
    | 'interrupted'
    | 'fault';
  readonly http: number;
  /** Whether the same request may succeed: never, at once on fresh data, or after a pause. */
  readonly retry: 'never' | 'soon' | 'later';
  readonly log: 'debug' | 'info' | 'warn' | 'error';
  readonly title: string;
}

const table = {
  // What a document, value or parameter can be wrong with: it will never work as it is.
  'json-malformed': {
    category: 'incorrect',
    http: 400,
    retry: 'never',
    log: 'debug',
    title: 'The text is not JSON',
  },
  'document-invalid': {
    category: 'incorrect',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The transaction document is not valid',
  },
  'value-invalid': {
    category: 'incorrect',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The value is not valid',
  },
  'entity-invalid': {
    category: 'incorrect',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The entity id is not valid',
  },
  'attribute-invalid': {
    category: 'incorrect',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The attribute name is not valid',
  },
  'type-mismatch': {
    category: 'incorrect',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The value does not have the type of its attribute',
  },
  'schema-invalid': {
    category: 'incorrect',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The attribute definition is not valid',
  },
  'schema-change-refused': {
    category: 'incorrect',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The attribute cannot be changed in this way',
  },
  'attribute-unknown': {
    category: 'incorrect',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The attribute is not defined',
  },
  'parameter-invalid': {
    category: 'incorrect',
    http: 400,
    retry: 'never',
    log: 'debug',
    title: 'A parameter is not valid',
  },
  'as-of-invalid': {
    category: 'incorrect',
    http: 400,
    retry: 'never',
    log: 'debug',
    title: 'The moment is not valid',
  },
  'as-of-future': {
    category: 'incorrect',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The moment lies in the future',
  },
  'cursor-invalid': {
    category: 'incorrect',
    http: 400,
    retry: 'never',
    log: 'debug',
    title: 'The cursor is not valid',
  },
  'cursor-foreign': {
    category: 'incorrect',
    http: 400,
    retry: 'never',
    log: 'debug',
    title: 'The cursor belongs to another database',
  },
  'offset-invalid': {
    category: 'incorrect',
    http: 400,
    retry: 'never',
    log: 'debug',
    title: 'The feed offset is not valid',
  },
  'offset-foreign': {
    category: 'incorrect',
    http: 400,
    retry: 'never',
    log: 'debug',
    title: 'The feed offset belongs to another database',
  },
  'database-name-invalid': {
    category: 'incorrect',
    http: 400,
    retry: 'never',
    log: 'debug',
    title: 'The database name is not valid',
  },
  'import-time-invalid': {
    category: 'incorrect',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The time of the imported transaction is not valid',
  },
  usage: {
    category: 'incorrect',
    http: 400,
    retry: 'never',
    log: 'debug',
    title: 'The command is not used correctly',
  },
  // Limits.
  'transaction-too-large': {
    category: 'incorrect',
    http: 413,
    retry: 'never',
    log: 'debug',
    title: 'The transaction is too large',
  },
  'value-too-large': {
    category: 'incorrect',
    http: 413,
    retry: 'never',
    log: 'debug',
    title: 'The value is too large',
  },
  // What the state of the database forbids.
  'import-diverged': {
    category: 'conflict',
    http: 409,
    retry: 'never',
    log: 'info',
    title: 'The source no longer continues what was imported',
  },
  'facts-conflict': {
    category: 'conflict',
    http: 409,
    retry: 'never',
    log: 'debug',
    title: 'Operations of the transaction contradict each other',
  },
  'cas-failed': {
    category: 'conflict',
    http: 409,
    retry: 'soon',
    log: 'debug',
    title: 'The value is not the expected one',
  },
  'condition-failed': {
    category: 'conflict',
    http: 409,
    retry: 'soon',
    log: 'debug',
    title: 'A condition does not hold',
  },
  'unique-conflict': {
    category: 'conflict',
    http: 409,
    retry: 'never',
    log: 'debug',
    title: 'The value belongs to another entity',
  },
  'key-reused': {
    category: 'conflict',
    http: 409,
    retry: 'never',
    log: 'debug',
    title: 'The idempotency key was used for another transaction',
  },
  'database-exists': {
    category: 'conflict',
    http: 409,
    retry: 'never',
    log: 'debug',
    title: 'The database exists with other settings',
  },
  // Not given any more; rejections in logs of before have it, and a record with a code that is unknown cannot be read.
  'partitions-spanned': {
    category: 'unsupported',
    http: 422,
    retry: 'never',
    log: 'debug',
    title: 'The transaction spans several partitions',
  },
  'not-found': {
    category: 'not-found',
    http: 404,
    retry: 'never',
    log: 'debug',
    title: 'There is nothing at this address',
  },
  'entity-not-found': {
    category: 'not-found',
    http: 404,
    retry: 'never',
    log: 'debug',
    title: 'The entity has no fact in force',
  },
  'transaction-not-found': {
    category: 'not-found',
    http: 404,
    retry: 'never',
    log: 'debug',
    title: 'There is no such transaction',
  },
  'database-not-found': {
    category: 'not-found',
    http: 404,
    retry: 'never',
    log: 'debug',
    title: 'There is no such database',
  },
  forbidden: {
    category: 'forbidden',
    http: 403,
    retry: 'never',
    log: 'info',
    title: 'The request is not allowed',
  },
  'method-not-allowed': {
    category: 'unsupported',
    http: 405,
    retry: 'never',
    log: 'debug',
    title: 'The method is not supported here',
  },
  'media-type-unsupported': {
    category: 'unsupported',
    http: 415,
    retry: 'never',
    log: 'debug',
    title: 'The media type is not supported',
  },
  // Overload and failures around us.
  'request-timeout': {
    category: 'interrupted',
    http: 408,
    retry: 'soon',
    log: 'debug',
    title: 'The request did not arrive in time',
  },
  busy: { category: 'busy', http: 503, retry: 'later', log: 'info', title: 'The database is busy' },
  'await-timeout': {
    category: 'busy',
    http: 504,
    retry: 'later',
    log: 'info',
    title: 'The awaited transaction has not arrived in time',
  },
  'storage-full': {
    category: 'unavailable',
    http: 503,
    retry: 'later',
    log: 'error',
    title: 'The storage is full',
  },
  'storage-failed': {
    category: 'unavailable',
    http: 503,
    retry: 'later',
    log: 'error',
    title: 'The storage does not answer as it should',
  },
  // A store that races or forgets loses data for ever, however often it is asked again.
  'store-unfit': {
    category: 'unsupported',
    http: 500,
    retry: 'never',
    log: 'error',
    title: 'The object store does not do what is needed of it',
  },
  unreachable: {
    category: 'unavailable',
    http: 503,
    retry: 'later',
    log: 'warn',
    title: 'The server cannot be reached',
  },
  'import-source-failed': {
    category: 'unavailable',
    http: 503,
    retry: 'never',
    log: 'error',
    title: 'The source of the import cannot be read',
  },
  'data-locked': {
    category: 'unavailable',
    http: 503,
    retry: 'later',
    log: 'error',
    title: 'The data directory is in use by another process',
  },
  'outcome-unknown': {
    category: 'interrupted',
    http: 503,
    retry: 'soon',
    log: 'warn',
    title: 'It is not known whether the transaction was committed',
  },
  stopping: {
    category: 'interrupted',
    http: 503,
    retry: 'later',
    log: 'info',
    title: 'The server is stopping',
  },
  'clock-ahead': {
    category: 'unavailable',
    http: 503,
    retry: 'later',
    log: 'error',
    title: 'The clock of this machine is ahead',
  },
  fenced: {
    category: 'unavailable',
    http: 503,
    retry: 'later',
    log: 'warn',
    title: 'Another owner has the partition',
  },
  'offset-out-of-range': {
    category: 'fault',
    http: 500,
    retry: 'never',
    log: 'error',
    title: 'The log no longer holds this offset',
  },
  'log-damaged': {
    category: 'fault',
    http: 500,
    retry: 'never',
    log: 'error',
    title: 'A log file is damaged',
  },
  'log-behind': {
    category: 'fault',
    http: 500,
    retry: 'never',
    log: 'error',
    title: 'The log ends before what the bucket has seen',
  },
  'object-damaged': {
    category: 'fault',
    http: 500,
    retry: 'never',
    log: 'error',
    title: 'A stored object is damaged',
  },
  'object-missing': {
    category: 'fault',
    http: 500,
    retry: 'never',
    log: 'error',
    title: 'A stored object is missing',
  },
  'format-unknown': {
    category: 'unsupported',
    http: 500,
    retry: 'never',
    log: 'error',
    title: 'The data were written in a format that this version cannot read',
  },
  internal: {
    category: 'fault',
    http: 500,
    retry: 'never',
    log: 'error',
    title: 'Something went wrong inside',
  },
} as const;

/** Every code that an error of Pyralog may have. */
export type ErrorCode = keyof typeof table;

/**
 * What each code means for a caller: category, HTTP status, whether to try again, how to log it.
 */
export const errors: Readonly<Record<ErrorCode, ErrorRow>> = table;

/**
 * An operating error: bad input, a refusal, a failure around us. Defects are assertions instead.
 * `detail` says what is wrong with this request, `hint` what to do about it.
 */
export class PyralogError extends Error {
  override readonly name = 'PyralogError';
  /** Marks the class across packages that were loaded twice. */
  readonly isPyralogError = true;
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** Further fields of the problem document: `operation`, `attribute`, `expected`, … JSON values. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    detail: string,
    options: {
      hint?: string | undefined;
      extra?: Readonly<Record<string, unknown>> | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.extra = options.extra ?? {};
  }

  get row(): ErrorRow {
    return errors[this.code];
  }
}

/** By mark, not by class: an error may cross a package that was loaded twice. */
export function isPyralogError(error: unknown): error is PyralogError {
  return typeof error === 'object' && error !== null && 'isPyralogError' in error;
}

/** Whether a text received from outside is one of our codes. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errors, text);
}
