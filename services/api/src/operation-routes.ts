import { healthSchema } from './answer-schemas.ts';
import { JSON_TYPE } from './answers.ts';
import { answerDoc, type App, type Door } from './door.ts';
import { noQuery } from './query-parameters.ts';

/** What a process is that answers them. */
export type Operations = Pick<Door, 'version' | 'stopping' | 'notReady' | 'metrics'>;

/** What the door of databases says of itself at its root. */
export function rootRoute(app: App, door: Operations, addresses: Record<string, string>): void {
  app.get('/', { schema: { hide: true } }, async (_request, reply) =>
    reply
      .type(JSON_TYPE)
      .send(JSON.stringify({ name: 'pyralog', version: door.version, ...addresses })),
  );
}

/** What those ask who run the process. */
export function operationRoutes(app: App, door: Operations): void {
  const health = (path: string, summary: string, reasons: () => readonly string[]): void => {
    app.get(
      `/healthz/${path}`,
      {
        schema: {
          tags: ['operations'],
          summary,
          querystring: noQuery,
          response: {
            200: answerDoc('Yes.', healthSchema),
            ...(path === 'ready'
              ? { 503: answerDoc('Not yet, or not any more, with the reasons.', healthSchema) }
              : {}),
          },
        },
      },
      async (_request, reply) => {
        const found = reasons();
        const status = found.length === 0 ? 'ok' : door.stopping.aborted ? 'stopping' : 'not-ready';
        return reply
          .code(found.length === 0 ? 200 : 503)
          .header('cache-control', 'no-store')
          .type(JSON_TYPE)
          .send(JSON.stringify({ status, reasons: found }));
      },
    );
  };
  health('started', 'Whether the server has started', () => []);
  health('alive', 'Whether the server lives', () => []);
  health('ready', 'Whether the server can serve', () =>
    door.stopping.aborted ? ['The server is stopping.'] : door.notReady(),
  );

  app.get(
    '/metrics',
    {
      schema: {
        tags: ['operations'],
        summary: 'Metrics',
        description: 'In the text format of Prometheus.',
        querystring: noQuery,
        produces: ['text/plain'],
      },
    },
    async (_request, reply) =>
      reply
        .type(door.metrics.contentType)
        .header('cache-control', 'no-store')
        .send(await door.metrics.text()),
  );
}
