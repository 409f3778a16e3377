import type { ProvidedContext } from 'vitest';
import type { TestProject } from 'vitest/node';
import type {} from './provided.ts';
import { ServerUnavailable } from './server.ts';

/**
 * The server of a project, started once for all of its tests.
 * @param value what its tests are given
 * @returns what ends it
 */
export async function provide<Name extends keyof ProvidedContext, Server extends AsyncDisposable>(
  project: TestProject,
  name: Name,
  start: () => Promise<Server>,
  value: (server: Server) => ProvidedContext[Name],
): Promise<() => Promise<void>> {
  const server = await orUnavailable(project, start);
  if (server === undefined) return async () => {};
  project.provide(name, value(server));
  return async () => server[Symbol.asyncDispose]();
}

/** Tells the tests of a project, and people, why they cannot run, where that is so. */
export async function orUnavailable<T>(
  project: TestProject,
  get: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    if (!(error instanceof ServerUnavailable)) throw error;
    project.provide('unavailable', error.message);
    process.stderr.write(error.details);
    process.stdout.write(`Tests of the project ${project.name} cannot run: ${error.message}\n`);
    return undefined;
  }
}
