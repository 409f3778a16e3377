import { setFlagsFromString } from 'node:v8';
import { once } from 'node:events';
import type { DatabaseHost } from '@pyralog/client';
import { isPyralogError, type PyralogError } from '@pyralog/model';
import { EXIT } from './context.ts';
import { note } from './print.ts';

/** By how much of what it holds a heap may grow before it is collected again. */
const HEAP_GROWTH_PERCENT = 40;

/**
 * What a server holds is bounded (I13); this bounds what it has thrown away and not collected. V8 by itself takes a share
 * of the machine's memory for that, and a server on a large one comes to several times what it needs.
 */
export function boundHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
}

/** What the operator is told of an error of the door. */
export function tellError(error: PyralogError, more: number): void {
  const repeated = more === 0 ? '' : `, and ${more} more since`;
  const stack = error.cause instanceof Error ? `\n${error.cause.stack}` : '';
  note(`error: ${error.message} (${error.code}${repeated})${stack}`);
}

/** Makes the database that a process serves; one that is there keeps its settings. */
export async function makeDatabase(host: DatabaseHost, name: string): Promise<void> {
  try {
    await host.create(name);
  } catch (error) {
    if (!isPyralogError(error) || error.code !== 'database-exists') throw error;
  }
}

/** Ctrl-C or a polite kill; a second one ends the process at once. */
export async function stopAsked(): Promise<void> {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const heard = new AbortController();
  await Promise.race(
    signals.map((signal) => once(process, signal, { signal: heard.signal }).catch(() => undefined)),
  );
  heard.abort();
  for (const signal of signals) process.once(signal, () => process.exit(EXIT.interrupted));
}
