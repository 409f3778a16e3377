import { once } from 'node:events';
import { createApi } from '@pyralog/service-api';
import { openEmbedded } from '../embedded.ts';
import { VERSION } from '../version.ts';
import { cutRuleOf, EXIT } from './context.ts';
import { line, note } from './print.ts';

export interface DevOptions {
  readonly data: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly db: string;
}

/** Everything in one process, until Ctrl-C. */
export async function dev({ data, host: address, port, db }: DevOptions): Promise<number> {
  await using host = await openEmbedded({ dir: data, cutRule: cutRuleOf(process.env) });
  await host.create(db).catch((error: unknown) => {
    // It is there with other settings, which it keeps.
    if (!(error instanceof Error && 'code' in error && error.code === 'database-exists')) throw error;
  });
  await host.database(db);
  await using api = await createApi({
    host,
    version: VERSION,
    onError: (error) => note(`error: ${error.message} (${error.code})${error.cause instanceof Error ? `\n${error.cause.stack}` : ''}`),
  });
  const url = await api.listen(address, port);
  line(`Pyralog ${VERSION}`);
  line(data === undefined ? 'Data:      in memory; nothing is kept (give --data DIR to keep it)' : `Data:      ${data}`);
  line(`Database:  ${url}/v1/${db}`);
  line(`Feed:      ${url}/v1/${db}/feed?live=sse`);
  line(`Docs:      ${url}/docs`);
  line(`Metrics:   ${url}/metrics`);
  line('Ready');
  await stopAsked();
  note('Stopping …');
  return EXIT.ok;
}

/** Ctrl-C or a polite kill; a second one ends the process at once. */
async function stopAsked(): Promise<void> {
  const asked = new AbortController();
  // The signals' listeners alone do not keep the process alive; the server does.
  await Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal, { signal: asked.signal }).catch(() => undefined)));
  asked.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
}
