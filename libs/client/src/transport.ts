import { isPyralogError, PyralogError } from '@pyralog/model';
import { readProblem } from './problem.ts';

/** What may be changed about how a client reaches its server. */
export interface HttpOptions {
  /** Sent with every request, for a proxy in between. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Longest pause between two attempts to resume a feed, in milliseconds; default 5,000. */
  readonly retryMillisMax?: number | undefined;
}

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly url: string;
  readonly accept?: string | undefined;
  readonly contentType?: string | undefined;
  readonly body?: Uint8Array | string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Failures of a connection that was never made: the request has certainly not arrived. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EACCES',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * Sends one request. A read is sent once more where the connection broke before the answer began, since a kept
 * connection may have been closed at the other end meanwhile; a write never is.
 *
 * @throws the error of the problem document for every status of 400 and more; `unreachable`; for a write whose
 * connection broke `outcome-unknown`; what the signal was aborted with
 */
export async function send(request: HttpRequest, options: HttpOptions): Promise<Response> {
  const response = await answerOf(request, options);
  if (response.ok || response.status === 304) return response;
  throw readProblem(await bodyOf(response, request)) ?? foreignAnswer(response, request);
}

async function answerOf(request: HttpRequest, options: HttpOptions): Promise<Response> {
  const { method, signal } = request;
  for (let again = method === 'GET'; ; again = false) {
    try {
      return await fetch(request.url, {
        method,
        headers: headersOf(request, options),
        body: (request.body as string | Uint8Array<ArrayBuffer> | undefined) ?? null,
        signal: signal ?? null,
        redirect: 'error',
      });
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      const connected = !notConnected(error);
      if (!connected || !again) throw failureOf(request, error, connected);
    }
  }
}

function headersOf(
  { accept, contentType, headers }: HttpRequest,
  options: HttpOptions,
): Record<string, string> {
  const all: Record<string, string> = {
    ...options.headers,
    ...headers,
    accept: accept ?? 'application/json',
  };
  if (contentType !== undefined) all['content-type'] = contentType;
  return all;
}

/** The whole body. @throws as {@link send} where the connection breaks in the middle of it */
export async function bodyOf(response: Response, request: HttpRequest): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    if (request.signal?.aborted === true) throw request.signal.reason;
    throw failureOf(request, error, true);
  }
}

/** A failure of the network, in our words. */
export function failureOf(request: HttpRequest, error: unknown, connected: boolean): PyralogError {
  if (isPyralogError(error)) return error;
  const { origin } = new URL(request.url);
  const cause = reasonOf(error);
  if (connected && request.method !== 'GET') {
    return new PyralogError(
      'outcome-unknown',
      `The connection to ${origin} broke before the answer came (${cause}).`,
      {
        hint: 'The transaction may have been committed. One with an idempotency key ("id") can be sent again: it is committed once.',
        cause: error,
      },
    );
  }
  return new PyralogError('unreachable', `${origin} cannot be reached (${cause}).`, {
    hint: connected
      ? undefined
      : 'Check the address, and that the server is running: `pyralog dev` prints its address.',
    cause: error,
  });
}

function foreignAnswer(response: Response, { url }: HttpRequest): PyralogError {
  return new PyralogError(
    'unreachable',
    `${new URL(url).origin} answered with status ${response.status} and no problem document.`,
    {
      hint: 'Check that the address is that of a Pyralog server, and what stands between it and here.',
    },
  );
}

function notConnected(error: unknown): boolean {
  const codes = causesOf(error).map(codeOf);
  return codes.some((code) => code !== undefined && NOT_CONNECTED.has(code));
}

/** The chain of causes; a host with several addresses fails with an error for each. */
function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let each = error; each instanceof Error && causes.length < 8; each = each.cause) {
    causes.push(each);
    if (each instanceof AggregateError) causes.push(...(each.errors as unknown[]));
  }
  return causes;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

function reasonOf(error: unknown): string {
  const causes = causesOf(error);
  const code = causes.map(codeOf).find((each) => each !== undefined);
  const last = causes.at(-1);
  const message = last instanceof Error ? last.message : String(error);
  return code === undefined || message.includes(code) ? message : `${code}: ${message}`;
}
