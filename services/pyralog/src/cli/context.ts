import type { Database, DatabaseHost } from '@pyralog/client';
import { HttpHost } from '@pyralog/client';
import { isPyralogError, parseAsOf, type PyralogError, type Tx } from '@pyralog/model';

/** Options that every command takes. */
export interface GlobalOptions {
  readonly url: string;
  readonly data?: string | undefined;
  readonly db: string;
  readonly asOf?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Exit statuses: what a script can tell apart. */
export const EXIT = { ok: 0, refused: 1, usage: 2, unreachable: 3 } as const;

export const DEFAULT_URL = 'http://127.0.0.1:4000';

/** Opens the databases that the options name: a folder in this process, or a server. */
export async function openHost({ data, url }: GlobalOptions): Promise<DatabaseHost> {
  if (data === undefined) return new HttpHost(url);
  const { openEmbedded } = await import('../embedded.ts');
  return openEmbedded({ dir: data, cutRule: cutRuleOf(process.env) });
}

/** Runs a command on the database that the options name, and closes what was opened. */
export async function withDatabase<T>(options: GlobalOptions, use: (database: Database) => Promise<T>): Promise<T> {
  await using host = await openHost(options);
  return await use(await host.database(options.db));
}

/** Size of the parts of the live index, for tests that want small ones. */
export function cutRuleOf(env: NodeJS.ProcessEnv): { readonly factsMax: number; readonly bytesMax: number } | undefined {
  const facts = Number(env['PYRALOG_PART_FACTS']);
  return Number.isInteger(facts) && facts > 0 ? { factsMax: facts, bytesMax: 64 * 1024 * 1024 } : undefined;
}

export function asOf({ asOf: text }: GlobalOptions): Tx | undefined {
  return text === undefined ? undefined : parseAsOf(text);
}

/** What a person is told of an error, and with which status the command ends. */
export function report(error: unknown): number {
  if (!isPyralogError(error)) {
    process.stderr.write(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return EXIT.refused;
  }
  process.stderr.write(`error: ${sentence(error)} (${error.code})\n`);
  if (error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`);
  return error.code === 'unreachable' ? EXIT.unreachable : error.code === 'usage' ? EXIT.usage : EXIT.refused;
}

function sentence({ message }: PyralogError): string {
  return message.replace(/\.$/, '');
}
