import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { ARROW_FILE_TYPE, ARROW_STREAM_TYPE, JSON_TYPE } from './answers.ts';
import type { App } from './door.ts';

const DESCRIPTION = [
  'An immutable knowledge database: facts are asserted and retracted, never changed, so every moment of the past stays readable.',
  '',
  '**Every answer names its basis** (`Pyralog-Basis`): the transaction it was read at. The same question at the same basis has the same answer for ever, so it may be cached: it has an `ETag`, and where the question names the moment it never expires.',
  '',
  '**Every read takes** `asOf` (a tx, an instant whose end is meant, or a date), and `await` (a tx that must be in the answer) with `timeout`.',
  '',
  '**Lists come in pages**: give `next` of one as `cursor` of the following, with the same parameters. All pages are of one basis.',
  '',
  '**Errors are problem documents** (RFC 9457) with a `code` that does not change, a sentence on what is wrong, and mostly a `hint` on what to do.',
].join('\n');

const TAGS = [
  { name: 'transactions', description: 'Write, and follow what was written.' },
  { name: 'facts', description: 'Read at any moment.' },
  { name: 'databases', description: 'Make them and look at them.' },
  { name: 'operations', description: 'For those who run the server.' },
];

/** `/openapi.json`, made of the schemas that validate, and `/docs`, which shows it without anything from elsewhere. */
export async function documentation(app: App, version: string): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Pyralog',
        version,
        description: DESCRIPTION,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: TAGS,
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withoutArrowSchemas(jsonSchemaTransformObject(document)),
  });
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    // The page's default asks a server of its makers whether the document is valid.
    uiConfig: {
      validatorUrl: null,
      // Without the bar on top, which asks for other documents.
      layout: 'BaseLayout',
      docExpansion: 'list',
      defaultModelsExpandDepth: 0,
      tryItOutEnabled: true,
      displayRequestDuration: true,
    },
    theme: { title: 'Pyralog' },
  });
  let text: string | undefined;
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.type(JSON_TYPE).send((text ??= JSON.stringify(app.swagger()))),
  );
}

interface Bodies {
  readonly paths?: Readonly<
    Record<
      string,
      | {
          readonly post?: {
            readonly requestBody?: { readonly content?: Record<string, unknown> };
          };
        }
      | undefined
    >
  >;
}

/** A route has one schema for all bodies, which JSON has and Arrow has not. */
function withoutArrowSchemas<T extends object>(document: T): T {
  for (const path of Object.values((document as Bodies).paths ?? {})) {
    const content = path?.post?.requestBody?.content ?? {};
    for (const type of [ARROW_STREAM_TYPE, ARROW_FILE_TYPE])
      if (type in content) content[type] = {};
  }
  return document;
}
