import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

/** What happens to one request on its way to the server, or to the answer on its way back. */
export type HttpFault =
  /** Answered here; the server never hears of it. */
  | { readonly kind: 'refuse'; readonly status: number; readonly body?: string | undefined }
  /** The connection breaks before the server has heard of it. */
  | { readonly kind: 'reset-before' }
  /** The server does it, and the connection breaks before the answer: a lost answer. */
  | { readonly kind: 'reset-after' }
  /** The server hears of it when the promise resolves, whoever still waits for the answer. */
  | { readonly kind: 'hold-request'; readonly until: Promise<void> }
  /** The server does it at once, and the answer goes on when the promise resolves. */
  | { readonly kind: 'hold-answer'; readonly until: Promise<void> }
  /** The connection breaks behind half of the body. */
  | { readonly kind: 'cut-body' }
  /** Half of the body, and the rest when the promise resolves. */
  | { readonly kind: 'hold-body'; readonly until: Promise<void> }
  /** The body in so many pieces with a pause before each. */
  | { readonly kind: 'slow-body'; readonly pieces: number; readonly pauseMillis: number }
  /** The last byte of the body is another; the length is right. */
  | { readonly kind: 'flip-answer' }
  | { readonly kind: 'flip-request' }
  /** The answer is made by other means, among which may be the server. */
  | {
      readonly kind: 'replace';
      readonly by: (request: HttpRequest, forward: Forward) => Promise<HttpAnswer>;
    };

type Forward = () => Promise<HttpAnswer>;

/** A request as it came. */
export interface HttpRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** An answer as it goes. */
export interface HttpAnswer {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

interface Planned {
  readonly matches: (request: HttpRequest) => boolean;
  readonly fault: HttpFault;
  left: number;
}

/** Of one connection, and therefore said anew. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding']);

/**
 * Stands between a client and a server, and does to chosen requests what networks and servers do. Without
 * a fault it is transparent, signatures over the name of the host included.
 */
export class FaultyHttp implements AsyncDisposable {
  readonly #target: URL;
  readonly #server: Server;
  /** Its own. */
  url = '';
  readonly #plan: Planned[] = [];
  readonly #sockets = new Set<Socket>();
  /** What came, in order: method, path, and the fault that met it. */
  readonly seen: { readonly method: string; readonly path: string; readonly fault?: string }[] = [];
  /** Bytes of bodies that were answered with. */
  answeredBytes = 0;
  /** Most connections that were open at once, and all there ever were. */
  connectionsMax = 0;
  connections = 0;

  private constructor(target: string) {
    this.#target = new URL(target);
    // Connections are the client's to end.
    this.#server = createServer({ keepAliveTimeout: 0 }, (incoming, outgoing) => {
      outgoing.on('error', () => undefined);
      this.#handle(incoming, outgoing).catch((error: unknown) => outgoing.destroy(error as Error));
    });
    this.#server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      this.connectionsMax = Math.max(this.connectionsMax, this.#sockets.size);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** @param target an http URL */
  static async start(target: string): Promise<FaultyHttp> {
    const proxy = new FaultyHttp(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    proxy.url = `http://127.0.0.1:${(proxy.#server.address() as AddressInfo).port}`;
    return proxy;
  }

  /** Connections that are open now. */
  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Resolves when no connection is open. */
  async allClosed(): Promise<void> {
    await Promise.all(
      [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
  }

  /** The next requests of a method meet a fault; those of a method that has several, in this order. */
  meet(
    method: string,
    fault: HttpFault,
    {
      times = 1,
      path = /^/,
    }: { readonly times?: number | undefined; readonly path?: RegExp | undefined } = {},
  ): void {
    this.#plan.push({
      matches: (met) => met.method === method && path.test(met.path),
      fault,
      left: times,
    });
  }

  /** How many requests of a method came. */
  count(method: string): number {
    return this.seen.filter((one) => one.method === method).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url: path = '' } = incoming;
    const headers = kept(incoming.rawHeaders);
    const met: HttpRequest = { method, path, headers, body: await buffer(incoming) };
    const fault = this.#next(met);
    this.seen.push({ method, path, ...(fault && { fault: fault.kind }) });
    if (fault?.kind === 'refuse') return this.#send(met, outgoing, refusal(fault));
    if (fault?.kind === 'reset-before') return reset(outgoing);
    if (fault?.kind === 'hold-request') await fault.until;
    const forward = (): Promise<HttpAnswer> =>
      this.#forward(fault?.kind === 'flip-request' ? { ...met, body: flipped(met.body) } : met);
    const answer = fault?.kind === 'replace' ? await fault.by(met, forward) : await forward();
    if (fault?.kind === 'reset-after') return reset(outgoing);
    if (fault?.kind === 'hold-answer') await fault.until;
    await this.#send(met, outgoing, answer, fault);
  }

  #next(met: HttpRequest): HttpFault | undefined {
    const planned = this.#plan.find(({ matches, left }) => left > 0 && matches(met));
    if (planned === undefined) return undefined;
    planned.left--;
    return planned.fault;
  }

  #forward({ method, path, headers, body }: HttpRequest): Promise<HttpAnswer> {
    const { hostname, port } = this.#target;
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          hostname,
          port,
          method,
          path,
          // As they came, the name of the host too: it is signed.
          headers,
          agent: false,
        },
        (answer) => {
          buffer(answer).then(
            (bytes) =>
              resolve({
                status: answer.statusCode ?? 0,
                headers: kept(answer.rawHeaders),
                body: bytes,
              }),
            reject,
          );
        },
      );
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  }

  async #send(
    { method }: HttpRequest,
    outgoing: ServerResponse,
    { status, headers, body: bytes }: HttpAnswer,
    fault?: HttpFault,
  ): Promise<void> {
    const body = fault?.kind === 'flip-answer' ? flipped(bytes) : bytes;
    const said = headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-length');
    outgoing.writeHead(status, [
      ...headers,
      ...(said || method === 'HEAD' ? [] : ['Content-Length', String(body.length)]),
    ]);
    const half = body.length >> 1;
    const write = (from: number, to: number): Promise<void> => {
      this.answeredBytes += to - from;
      return new Promise((resolve) => outgoing.write(body.subarray(from, to), () => resolve()));
    };
    if (fault?.kind === 'cut-body') {
      await write(0, half);
      return reset(outgoing);
    }
    if (fault?.kind === 'hold-body') {
      await write(0, half);
      await fault.until;
      await write(half, body.length);
    } else if (fault?.kind === 'slow-body') {
      for (let piece = 0; piece < fault.pieces; piece++) {
        await sleep(fault.pauseMillis);
        await write(
          Math.floor((body.length * piece) / fault.pieces),
          Math.floor((body.length * (piece + 1)) / fault.pieces),
        );
      }
    } else if (body.length > 0) await write(0, body.length);
    outgoing.end();
  }
}

/** A refusal as S3 has them. */
function refusal({
  status,
  body,
}: {
  readonly status: number;
  readonly body?: string | undefined;
}): HttpAnswer {
  return {
    status,
    headers: ['Content-Type', 'application/xml'],
    body: Buffer.from(body ?? ''),
  };
}

/** With RST, as a process that was killed or a box in between does it. */
function reset(outgoing: ServerResponse): void {
  outgoing.socket?.resetAndDestroy();
}

function flipped(body: Uint8Array): Uint8Array {
  const copy = body.slice();
  const last = copy.length - 1;
  if (last >= 0) copy[last] = (copy[last] ?? 0) ^ 1;
  return copy;
}

function kept(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter(
    (_, i) => !HOP_BY_HOP.has((rawHeaders[i - (i % 2)] ?? '').toLowerCase()),
  );
}
