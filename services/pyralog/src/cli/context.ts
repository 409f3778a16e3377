import { stat } from 'node:fs/promises';
import { type Database, type DatabaseHost, HttpHost } from '@pyralog/client';
import { isPyralogError, parseAsOf, PyralogError, type Tx } from '@pyralog/model';
import { note } from './print.ts';

/** Options that every command takes. */
export interface GlobalOptions {
  readonly url: string;
  readonly data?: string | undefined;
  readonly db: string;
  readonly asOf?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Exit statuses: what a script can tell apart. */
export const EXIT = { ok: 0, refused: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

export const DEFAULT_URL = 'http://127.0.0.1:4000';

/** What an embedded database may have on its way; over HTTP requests may overtake each other, so one. */
export function inFlightMax({ data }: Pick<GlobalOptions, 'data'>): number {
  return data === undefined ? 1 : 256;
}

/**
 * Opens the databases that the options name: a folder in this process, or a server.
 * @param make whether a folder that is not there is made, rather than a mistake
 */
export async function openHost(
  { data, url }: Pick<GlobalOptions, 'data' | 'url'>,
  make = false,
): Promise<DatabaseHost> {
  if (data === undefined) return new HttpHost(url);
  if (!make) await checkFolder(data);
  const { openEmbedded } = await import('../embedded.ts');
  return openEmbedded({ dir: data, cutRule: cutRuleOf(process.env) });
}

/** Runs a command on the database that the options name, and closes what was opened. */
export async function withDatabase<T>(
  options: GlobalOptions,
  use: (database: Database) => Promise<T>,
): Promise<T> {
  await using host = await openHost(options);
  return await use(await host.database(options.db));
}

/** Size of the parts of the live index, for tests that want small ones. */
export function cutRuleOf(
  env: NodeJS.ProcessEnv,
): { readonly factsMax: number; readonly bytesMax: number } | undefined {
  const facts = Number(env['PYRALOG_PART_FACTS']);
  return Number.isInteger(facts) && facts > 0
    ? { factsMax: facts, bytesMax: 64 * 1024 * 1024 }
    : undefined;
}

export function asOf({ asOf: text }: Pick<GlobalOptions, 'asOf'>): Tx | undefined {
  return text === undefined ? undefined : parseAsOf(text);
}

/** What a person, or with `json` a program, is told of an error. @returns the status with which the command ends */
export function report(error: unknown, json = false): number {
  if (!isPyralogError(error)) {
    note(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT.refused;
  }
  const { code, message, hint, extra } = error;
  if (json) note(JSON.stringify({ ...extra, code, detail: message, hint }));
  else {
    note(`error: ${message.replace(/\.$/, '')} (${code})`);
    if (hint !== undefined) note(`hint: ${hint}`);
  }
  return statusOf(error);
}

const USAGE_CODES: ReadonlySet<string> = new Set([
  'usage',
  'parameter-invalid',
  'as-of-invalid',
  'database-name-invalid',
  'cursor-invalid',
  'offset-invalid',
]);

function statusOf({ code, row }: PyralogError): number {
  if (USAGE_CODES.has(code)) return EXIT.usage;
  return row.category === 'unavailable' ? EXIT.unreachable : EXIT.refused;
}

/** @throws usage where there is no such folder */
export async function checkFolder(dir: string): Promise<void> {
  const found = await stat(dir).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new PyralogError(
    'usage',
    found === undefined ? `There is no folder ${dir}.` : `${dir} is not a folder.`,
    {
      hint: 'Databases come into a folder by `pyralog dev --data DIR`, `pyralog create NAME --data DIR` or `pyralog import git PATH --data DIR`.',
    },
  );
}
