import type { AddressInfo } from 'node:net';
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import { type DatabaseHost, PROBLEM_TYPE, printProblem } from '@pyralog/client';
import { DOCUMENT_BYTES_MAX, PyralogError } from '@pyralog/model';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { jsonSchemaTransform, serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { Metrics } from './metrics.ts';
import { databaseRoutes } from './routes.ts';
import { asError } from './streams.ts';

export interface ApiOptions {
  readonly host: DatabaseHost;
  readonly version: string;
  /** Told of errors that are ours, not the caller's. */
  readonly onError: (error: PyralogError) => void;
}

export interface Api extends AsyncDisposable {
  /** Starts to listen. @returns the URL @throws PyralogError `unreachable` where the port is taken */
  listen(address: string, port: number): Promise<string>;
}

/** Names by which a server on loopback may be called: others are somebody else's page (DNS rebinding). */
const LOOPBACK = /^(?:localhost|127\.[0-9.]+|\[::1\])(?::[0-9]+)?$/;

/** The HTTP door of a host of databases. */
export async function createApi({ host, version, onError }: ApiOptions): Promise<Api> {
  const app = fastify({
    bodyLimit: DOCUMENT_BYTES_MAX,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 4096 },
  }).withTypeProvider<ZodTypeProvider>();
  const metrics = new Metrics();
  let loopback = true;
  let stopping = false;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  rawBodies(app);
  app.addHook('onRequest', async (request, reply) => {
    // Told to every request: a connection that is kept must not survive the stop.
    if (stopping) reply.header('connection', 'close');
    if (loopback && !LOOPBACK.test(request.headers.host ?? '')) {
      throw new PyralogError('parameter-invalid', `Host: ${JSON.stringify(request.headers.host ?? '')} is not this machine.`, {
        hint: 'Listen on another address (--host) to serve other machines.',
      });
    }
  });
  app.addHook('onResponse', async (request, reply) => metrics.answered(request.routeOptions.url, reply.statusCode, reply.elapsedTime));
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const known = problemOf(error);
    if (known.row.log === 'error') onError(known);
    if (known.row.retry === 'later') reply.header('retry-after', '1');
    void reply.code(known.row.http).type(PROBLEM_TYPE).send(printProblem(known, { instance: request.url }));
  });
  app.setNotFoundHandler(async (request) => {
    throw new PyralogError('not-found', `${request.method} ${request.url} is no address of this server.`, {
      hint: 'See /docs for all of them.',
    });
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Pyralog',
        version,
        description:
          'An immutable knowledge database. Every answer that reads names its basis (header `Pyralog-Basis`): the same question at the same basis has the same answer for ever. Errors are problem documents (RFC 9457) with a `code` and a `hint`.',
        license: { name: 'Apache-2.0' },
      },
    },
    transform: jsonSchemaTransform,
  });
  await app.register(fastifySwaggerUi, { routePrefix: '/docs' });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  app.get('/metrics', { schema: { tags: ['operations'], summary: 'Metrics for Prometheus' } }, async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metrics.text()),
  );
  for (const probe of ['started', 'alive', 'ready'] as const) {
    app.get(`/healthz/${probe}`, { schema: { tags: ['operations'], summary: `Whether the server is ${probe}` } }, async (_request, reply) =>
      reply.code(stopping && probe === 'ready' ? 503 : 200).send({ status: stopping ? 'stopping' : 'ok' }),
    );
  }
  databaseRoutes(app, host, metrics);
  return {
    async listen(address, port) {
      loopback = LOOPBACK.test(address) || address === '::1';
      try {
        await app.listen({ host: address, port });
      } catch (error) {
        const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
        throw new PyralogError('unreachable', taken ? `Port ${port} of ${address} is taken.` : `Cannot listen on ${address}:${port}.`, {
          hint: taken ? 'Give another with --port, or 0 for any free one.' : undefined,
          cause: error,
        });
      }
      const bound = app.server.address() as AddressInfo;
      return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
    },
    async [Symbol.asyncDispose]() {
      stopping = true;
      await app.close();
    },
  };
}

/** Bodies stay bytes: a parser that makes numbers of them would lose an int64. */
function rawBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(['application/json', 'text/plain'], { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addContentTypeParser('application/x-ndjson', (_request, payload, done) => done(null, payload));
}

/** Failures of the framework in the terms of the table. */
function problemOf(error: FastifyError): PyralogError {
  if (error.validation !== undefined) {
    const names = error.validation.map((issue) => `${issue.instancePath.replace(/^\//, '')} ${issue.message ?? ''}`.trim());
    return new PyralogError('parameter-invalid', `${error.validationContext ?? 'request'}: ${names.join('; ')}.`, {
      hint: 'See /docs for the parameters of this address.',
    });
  }
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new PyralogError('transaction-too-large', `The body is larger than ${DOCUMENT_BYTES_MAX} bytes, the limit of a transaction.`);
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new PyralogError('media-type-unsupported', 'The content type of the body is not supported.', {
        hint: 'Send application/json, or application/x-ndjson with one document a line.',
      });
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new PyralogError('json-malformed', 'The body is empty.');
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new PyralogError('parameter-invalid', error.message);
  }
  return asError(error);
}
