import { setMaxListeners } from 'node:events';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { Patience } from '@pyralog/base';
import { isPyralogError, PyralogError } from '@pyralog/model';
import { isKey } from './key.ts';
import { mayPass, operatingError, Silence } from './s3-errors.ts';

/** Who asks. Never part of a text. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** Where a bucket lies, and how it is spoken to. */
export interface S3Options {
  /** `http://host:port` or `https://host` of a store; Amazon's of the region where it is left out. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly bucket: string;
  /** Begins the name of every object, with a slash behind it: `a` or `a/b`. For buckets with more in them. */
  readonly prefix?: string | undefined;
  /** Where they are left out, those that the SDK finds: environment, profiles, the machine's role. */
  readonly credentials?: S3Credentials | undefined;
  /**
   * Whether the bucket is named in the path, not in the host. Default: where an endpoint is given, since
   * few stores beside Amazon's have a host name per bucket.
   */
  readonly forcePathStyle?: boolean | undefined;
  /**
   * How long an operation is tried while the store cannot be reached or is overloaded, from its first
   * failure. Default 30,000 ms.
   */
  readonly patienceMillis?: number | undefined;
  /** Told when something has failed for a second and is tried on, and of each further failure. */
  readonly onFailing?: ((error: PyralogError) => void) | undefined;
  /** Told of whatever succeeds. */
  readonly onWorking?: (() => void) | undefined;
  /** A store from which nothing has come for so long is taken for lost. Default 15,000 ms. */
  readonly silenceMillisMax?: number | undefined;
  /** Connections, and so requests at once; others wait. Default 32. */
  readonly connectionsMax?: number | undefined;
}

const PATIENCE_MILLIS = 30_000;
const SILENCE_MILLIS_MAX = 15_000;
const CONNECTIONS_MAX = 32;
const CONNECT_MILLIS = 3_000;
/** Of an upload nothing is heard before its end: this is the slowest that is waited for. */
const UPLOAD_BYTES_PER_MILLI_MIN = 1_000;
const PAUSES = { firstPauseMillis: 50, pauseMillisMax: 2_000 };

/** One try at a request. */
export interface Attempt {
  /** Aborted when nothing has come for too long, and on closing; ends a body that is being read, too. */
  readonly signal: AbortSignal;
  /** To be called at every sign of life. */
  readonly alive: () => void;
}

/**
 * The way to one bucket: connections, their bound, time limits, and how failures are waited out.
 *
 * The SDK's own retries are off. They would repeat a put whose answer was lost and hand over the refusal of
 * the repetition, they end where a body begins, and share a budget that an outage uses up.
 */
export class S3Connection {
  readonly client: S3Client;
  /** In texts: `the bucket kb at http://127.0.0.1:9000`. */
  readonly name: string;
  readonly #patienceMillis: number;
  readonly #onFailing: S3Options['onFailing'];
  readonly #onWorking: S3Options['onWorking'];
  readonly #silenceMillisMax: number;
  readonly #stop = new AbortController();
  #free: number;
  readonly #line: (() => void)[] = [];

  /** @throws PyralogError `parameter-invalid` */
  constructor(options: S3Options) {
    checkOptions(options);
    const {
      bucket,
      endpoint,
      region,
      credentials,
      forcePathStyle = endpoint !== undefined,
      connectionsMax = CONNECTIONS_MAX,
    } = options;
    this.name = `the bucket ${bucket} at ${endpoint ?? `Amazon S3 in ${region}`}`;
    this.#patienceMillis = options.patienceMillis ?? PATIENCE_MILLIS;
    this.#onFailing = options.onFailing;
    this.#onWorking = options.onWorking;
    this.#silenceMillisMax = options.silenceMillisMax ?? SILENCE_MILLIS_MAX;
    this.#free = connectionsMax;
    // Everything under way and all pauses end with it.
    setMaxListeners(0, this.#stop.signal);
    const agent = { keepAlive: true, maxSockets: connectionsMax };
    this.client = new S3Client({
      region,
      forcePathStyle,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials === undefined ? {} : { credentials: withoutGaps(credentials) }),
      maxAttempts: 1,
      retryMode: 'standard',
      // A put brings the checksum of its bytes, and a get compares it, whatever a store makes of it.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // It would ask for leave to send a body and, with agents that were given, not wait for it.
      expectContinueHeader: false,
      // At its finest it would log requests, with who signed them.
      logger: { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore },
      requestHandler: {
        httpAgent: new HttpAgent(agent),
        httpsAgent: new HttpsAgent(agent),
        connectionTimeout: CONNECT_MILLIS,
        // How long an answer may take is watched here: `attempt`.
        requestTimeout: 0,
        socketTimeout: 0,
      },
    });
  }

  /**
   * Attempts something until it succeeds, fails for good, or has failed for as long as patience lasts.
   *
   * @param what what cannot be done where it fails, as the beginning of a sentence
   * @throws PyralogError `stopping` after closing; `unreachable`, `storage-full`, `storage-failed`,
   *   `store-unfit`, and what the attempt throws
   */
  async retrying<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const patience = new Patience({ ...PAUSES, patienceMillis: this.#patienceMillis });
    for (;;) {
      if (this.#stop.signal.aborted) throw closed();
      try {
        const result = await attempt();
        this.#onWorking?.();
        return result;
      } catch (error) {
        if (this.#stop.signal.aborted) throw closed();
        const failure = operatingError(error, what, this.name);
        if (!mayPass(error)) throw failure;
        const { isNews, isOver } = patience.failed(performance.now());
        if (isNews && isPyralogError(failure)) this.#onFailing?.(failure);
        if (isOver) throw failure;
      }
      await sleep(patience.pause(Math.random()), undefined, { signal: this.#stop.signal }).catch(
        () => undefined,
      );
    }
  }

  /**
   * One try, as soon as a connection is free: its time begins then, so that a long line is not taken for a
   * slow store.
   *
   * @param uploadBytes what the request sends: that it takes time is no silence
   */
  async attempt<T>(request: (attempt: Attempt) => Promise<T>, uploadBytes = 0): Promise<T> {
    await this.#acquire();
    const silence = this.#silenceMillisMax + uploadBytes / UPLOAD_BYTES_PER_MILLI_MIN;
    const abort = new AbortController();
    let silent = false;
    const timer = setTimeout(() => {
      silent = true;
      abort.abort();
    }, silence);
    const stop = (): void => abort.abort();
    this.#stop.signal.addEventListener('abort', stop, { once: true });
    try {
      this.#stop.signal.throwIfAborted();
      return await request({ signal: abort.signal, alive: () => void timer.refresh() });
    } catch (error) {
      // The SDK tells of it in several ways.
      throw silent ? new Silence(Math.round(silence)) : error;
    } finally {
      clearTimeout(timer);
      this.#stop.signal.removeEventListener('abort', stop);
      this.#release();
    }
  }

  /** At once: requests under way reject. */
  close(): void {
    this.#stop.abort();
    this.client.destroy();
  }

  async #acquire(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#line.push(resolve));
  }

  #release(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

/** The refusal of everything that comes after closing. */
function closed(): PyralogError {
  return new PyralogError('stopping', 'The bucket is closed.');
}

/** As Amazon has them, and those of before 2018 that other stores still take. */
const BUCKET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/;

function checkOptions({ endpoint, bucket, prefix, connectionsMax = 1 }: S3Options): void {
  if (endpoint !== undefined) checkEndpoint(endpoint);
  if (!BUCKET_NAME.test(bucket)) {
    throw new PyralogError(
      'parameter-invalid',
      `${JSON.stringify(bucket)} is no name of a bucket.`,
      {
        hint: 'Names have 3 to 63 characters: letters, digits, - and dots.',
      },
    );
  }
  if (prefix !== undefined && !isKey(prefix)) {
    throw new PyralogError(
      'parameter-invalid',
      `${JSON.stringify(prefix)} cannot begin names of objects.`,
      { hint: 'Give parts of letters, digits, -, _ and dots with slashes between them, as a/b.' },
    );
  }
  if (!Number.isInteger(connectionsMax) || connectionsMax < 1) {
    throw new PyralogError(
      'parameter-invalid',
      `${connectionsMax} connections are none; give 1 or more.`,
    );
  }
}

/** @throws PyralogError `parameter-invalid`, without the text, which may hold a password */
export function checkEndpoint(endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const plain =
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    url.username === '' &&
    url.password === '' &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === '';
  if (plain) return;
  throw new PyralogError('parameter-invalid', 'The address of the object store is not one.', {
    hint: 'Give scheme, host and port alone, as http://127.0.0.1:9000. Credentials are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and a bucket is given by its name.',
  });
}

function withoutGaps({ accessKeyId, secretAccessKey, sessionToken }: S3Credentials): {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
} {
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
  };
}

function ignore(): void {
  // Failures reach callers as errors.
}
