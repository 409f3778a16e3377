import { isPyralogError, PyralogError, systemCode } from '@pyralog/model';

/** There is no connection, or not the one that was asked for. */
export class LostConnection extends Error {
  override readonly name = 'LostConnection';
  constructor() {
    super('there is no connection');
  }
}

const SIGN_IN = /^(NOAUTH|WRONGPASS|NOPERM)\b/;
/** It has begun, and reads what it keeps on disk. */
const STARTING = /^(LOADING|MASTERDOWN)\b/;

/**
 * What callers are told of a failure. A defect stays what it is.
 * @param what what could not be done, as the beginning of a sentence
 * @param server its name
 */
export function redisError(error: unknown, what: string, server: string): unknown {
  if (isPyralogError(error) || !(error instanceof Error)) return error;
  const said = error.message.replace(/\.$/, '');
  // Such an error holds the command with its arguments, a password among them: it is nobody's cause.
  if (error.name === 'ReplyError' && !STARTING.test(said)) return refused(said, what, server);
  if (!isTrouble(error)) return error;
  const why = systemCode(error) === undefined ? (SAID[error.name] ?? said) : said;
  return new PyralogError('unreachable', `${what}: ${server} cannot be reached (${why}).`, {
    hint: 'Check that it runs, and its address.',
  });
}

function refused(said: string, what: string, server: string): PyralogError {
  if (said.startsWith('OOM')) {
    return new PyralogError('storage-full', `${what}: the memory of ${server} is full.`, {
      hint: 'Raise its maxmemory: what was refused goes on by itself.',
    });
  }
  return new PyralogError('storage-failed', `${what}: ${server} answers ${said}.`, {
    hint: SIGN_IN.test(said) ? 'Check the name, the password and their rights.' : undefined,
  });
}

/** What ioredis calls otherwise. */
const SAID: Readonly<Record<string, string>> = {
  AbortError: 'the connection was lost',
  MaxRetriesPerRequestError: 'the connection was lost',
};

const TROUBLES = new Set(['ReplyError', 'LostConnection', ...Object.keys(SAID)]);

/** Some of it ioredis says in sentences only. */
function isTrouble(error: Error): boolean {
  return (
    TROUBLES.has(error.name) ||
    systemCode(error) !== undefined ||
    /^(Connection is closed|Stream isn't writeable|Socket timeout)/.test(error.message)
  );
}
