import type { Socket } from 'node:net';
import { type DatabaseHost, PROBLEM_TYPE, printProblem } from '@pyralog/client';
import { DOCUMENT_BYTES_MAX, PyralogError } from '@pyralog/model';
import { type Clock, SystemClock, SystemTimers, type Timers } from '@pyralog/runtime';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { Registry } from 'prom-client';
import { BodyBudget } from './bodies.ts';
import { type ApiConfig, type App, type Door } from './door.ts';
import { DoorMetrics } from './door-metrics.ts';
import { feedRoute } from './feed-route.ts';
import { guard, isLoopback } from './guard.ts';
import { documentation } from './openapi.ts';
import { operationRoutes, rootRoute } from './operation-routes.ts';
import { problemFor, sendProblem } from './problems.ts';
import { parseQueryString } from './query-string.ts';
import { readRoutes } from './read-routes.ts';
import { RepeatedErrors } from './repeated-errors.ts';
import { RouteTable } from './route-table.ts';
import { validatorCompiler } from './validation.ts';
import { writeRoutes } from './write-routes.ts';

const MIB = 1024 * 1024;

const DEFAULTS: ApiConfig = {
  linesInFlightMax: 256,
  lineBytesInFlightMax: 64 * MIB,
  unsentAnswersMax: 8 * MIB,
  bodyBytesMax: 512 * MIB,
  feedReadersMax: 1_000,
  heartbeatMillis: 15_000,
  longPollMillis: 20_000,
  bodyMillis: 300_000,
  drainMillis: 10_000,
};

/** Addresses hold values and cursors; Node's own 16 KiB would be a few thousand characters of either. */
const HEADER_BYTES_MAX = 128 * 1024;
/** An entity id of 1,024 bytes, percent-encoded. */
const PATH_PART_MAX = 4096;
const IDLE_CHECK_MILLIS = 50;

/** What every door of a process is made of. */
export interface MonitorOptions {
  readonly version: string;
  /**
   * Told of the errors that the operator should see: failing storage, damage, defects (`internal`, with its cause). Of one that
   * many are answered with it is told once a minute.
   * @param more how many were answered with the same since it was told last
   */
  readonly onError: (error: PyralogError, more: number) => void;
  readonly config?: Partial<ApiConfig> | undefined;
  /** What `/metrics` shows; default one of the door's own. */
  readonly metrics?: Registry | undefined;
  readonly clock?: Clock | undefined;
  readonly timers?: Timers | undefined;
  /** Why the server cannot serve yet; empty when it can. */
  readonly notReady?: (() => readonly string[]) | undefined;
}

export interface ApiOptions extends MonitorOptions {
  readonly host: DatabaseHost;
}

/** A peer that is gone without a word is asked after this time, and given up by the system when it stays silent. */
const KEEP_ALIVE_PROBE_MILLIS = 60_000;

/** A running HTTP door. */
export interface Api extends AsyncDisposable {
  /**
   * Starts to listen.
   * @param address of an interface; requests to a loopback one must name it by a name of loopback
   * @param port 0 for any free one
   * @returns the URL
   * @throws unreachable where the port is taken
   */
  listen(address: string, port: number): Promise<string>;
  /** Takes no more requests, ends feeds and streams, and resolves when those on their way are answered or the time is over. */
  close(): Promise<void>;
}

/** The HTTP door of a host of databases: its routes are documented at /docs, by the schemas that validate. */
export function createApi({ host, ...options }: ApiOptions): Promise<Api> {
  return open(options, async (app, process) => {
    const door: Door = { ...process, host };
    await documentation(app, options.version);
    rootRoute(app, door, {
      documentation: '/docs',
      openapi: '/openapi.json',
      databases: '/v1',
      status: '/v1/{db}/status',
    });
    operationRoutes(app, door);
    writeRoutes(app, door);
    readRoutes(app, door);
    feedRoute(app, door);
  });
}

/** The HTTP door of a process that serves no databases: health and metrics. */
export function createMonitor(options: MonitorOptions): Promise<Api> {
  return open(options, async (app, process) => {
    rootRoute(app, process, { ready: '/healthz/ready', metrics: '/metrics' });
    operationRoutes(app, process);
  });
}

async function open(
  options: MonitorOptions,
  addRoutes: (app: App, process: Omit<Door, 'host'>) => Promise<void>,
): Promise<Api> {
  const clock = options.clock ?? new SystemClock();
  const timers = options.timers ?? new SystemTimers();
  const config = { ...DEFAULTS, ...options.config };
  const stopping = new AbortController();
  const notReady = options.notReady ?? (() => []);
  const metrics = new DoorMetrics(options.metrics ?? new Registry(), notReady);
  const repeated = new RepeatedErrors(clock, options.onError);
  const process = {
    version: options.version,
    config,
    metrics,
    clock,
    timers,
    budget: new BodyBudget(config.bodyBytesMax),
    stopping: stopping.signal,
    notReady,
    onProblem: (problem: PyralogError) => {
      if (problem.row.log === 'error') repeated.met(problem);
    },
  };
  const routes = new RouteTable();
  const app = newApp(routes);
  const listening = { loopback: true };
  const silent = silentSockets(app);
  hooks(app, process, { routes, listening });
  await addRoutes(app, process);

  let closed: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closed ??= drained(app, { stopping, silent, timers, drainMillis: config.drainMillis }));
  return {
    async listen(address, port) {
      listening.loopback = isLoopback(address);
      return listen(app, address, port);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function newApp(routes: RouteTable): App {
  const app = fastify({
    bodyLimit: DOCUMENT_BYTES_MAX,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MILLIS,
    },
    routerOptions: { maxParamLength: PATH_PART_MAX, querystringParser: parseQueryString },
    // A request that comes while the server stops is answered by a problem like every other.
    return503OnClosing: false,
    clientErrorHandler: refuseUnreadable,
    frameworkErrors: (error, _request, reply) =>
      void sendProblem(reply as FastifyReply, problemFor(error)),
  }).withTypeProvider<ZodTypeProvider>();
  app.addHook('onRoute', ({ method, url }) => routes.add(method, url));
  app.setValidatorCompiler(validatorCompiler);
  // Answers are sent as text; their schemas are documentation.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  // Bodies are read by their handlers, byte by byte: a parser that makes numbers of them would lose an int64.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  return app;
}

interface HookOptions {
  readonly routes: RouteTable;
  readonly listening: { readonly loopback: boolean };
}

function hooks(app: App, door: Omit<Door, 'host'>, { routes, listening }: HookOptions): void {
  const { stopping, metrics, onProblem } = door;
  app.addHook('onRequest', (request, reply, done) => {
    try {
      if (stopping.aborted) refuseWhileStopping(request, reply);
      guard(request, listening.loopback);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  app.addHook('onResponse', (request, reply, done) => {
    metrics.answered(
      request.method,
      request.routeOptions.url ?? 'none',
      reply.statusCode,
      reply.elapsedTime,
    );
    done();
  });
  app.setErrorHandler((error, _request, reply) => {
    const problem = problemFor(error);
    onProblem(problem);
    void sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const methods = routes.methodsOf(request.url);
    if (methods.length === 0) {
      return sendProblem(
        reply,
        new PyralogError(
          'not-found',
          `There is nothing at ${JSON.stringify(shortened(request.url))}.`,
          { hint: 'See /docs for all addresses.' },
        ),
      );
    }
    reply.header('allow', methods.join(', '));
    return sendProblem(
      reply,
      new PyralogError('method-not-allowed', `${request.method} is not supported here.`, {
        hint: `Use ${methods.join(' or ')}.`,
        extra: { allowed: methods },
      }),
    );
  });
}

function shortened(url: string): string {
  return url.length <= 100 ? url : `${url.slice(0, 97)}…`;
}

/** @throws stopping for all but the probes, which say it in their own way */
function refuseWhileStopping(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('connection', 'close');
  if (!request.url.startsWith('/healthz/'))
    throw new PyralogError('stopping', 'The server is stopping.');
}

/** Answers what is no HTTP, or too much of it, before the framework sees it. */
function refuseUnreadable(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const body = printProblem(
    new PyralogError(
      'parameter-invalid',
      tooLarge
        ? `The address and the headers have more than ${HEADER_BYTES_MAX} bytes.`
        : 'The request is not HTTP/1.1.',
    ),
  );
  socket.end(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

async function listen(app: App, address: string, port: number): Promise<string> {
  try {
    await app.listen({ host: address, port });
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new PyralogError(
      'unreachable',
      taken
        ? `Port ${port} of ${address} is taken.`
        : `Cannot listen on ${address}:${port} (${(error as Error).message}).`,
      {
        hint: taken ? 'Give another with --port, or 0 for any free one.' : undefined,
        cause: error,
      },
    );
  }
  const bound = app.server.address();
  if (bound === null || typeof bound === 'string') return `http://${address}:${port}`;
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

/** Connections that have not sent a request yet, as browsers open them in advance: no answer is owed to them. */
function silentSockets({ server }: App): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', (request) => sockets.delete(request.socket));
  return sockets;
}

interface DrainOptions {
  readonly stopping: AbortController;
  readonly silent: ReadonlySet<Socket>;
  readonly timers: Timers;
  readonly drainMillis: number;
}

async function drained(
  app: App,
  { stopping, silent, timers, drainMillis }: DrainOptions,
): Promise<void> {
  stopping.abort();
  const ended = new AbortController();
  using _limit = timers.after(drainMillis, () => app.server.closeAllConnections());
  // A kept connection becomes idle when its last request is answered, which closing once does not see. Node counts a
  // silent one as busy.
  const idle = (async () => {
    while (!ended.signal.aborted) {
      app.server.closeIdleConnections();
      for (const socket of silent) socket.destroy();
      await timers.sleep(IDLE_CHECK_MILLIS, ended.signal);
    }
  })();
  try {
    await app.close();
  } finally {
    ended.abort();
    await idle;
  }
}
