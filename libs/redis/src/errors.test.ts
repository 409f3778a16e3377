import { isPyralogError, PyralogError } from '@pyralog/model';
import { expect, test } from 'vitest';
import { redisError } from './errors.ts';

const named = (name: string, message: string, code?: string): Error =>
  Object.assign(new Error(message), { name }, code === undefined ? {} : { code });

test.for([
  ['ReplyError', "OOM command not allowed when used memory > 'maxmemory'.", 'storage-full'],
  ['ReplyError', 'WRONGPASS invalid username-password pair', 'storage-failed'],
  ['ReplyError', 'MISCONF Errors writing to the AOF file', 'storage-failed'],
  ['ReplyError', 'LOADING Redis is loading the dataset in memory', 'unreachable'],
  ['MaxRetriesPerRequestError', 'Reached the max retries (which is 0).', 'unreachable'],
  ['AbortError', 'Command aborted due to connection close', 'unreachable'],
  ['Error', 'Connection is closed.', 'unreachable'],
  ['Error', "Stream isn't writeable and enableOfflineQueue options is false", 'unreachable'],
] as const)('%s: %s', ([name, message, code]) => {
  const error = redisError(named(name, message), 'Nothing was done', 'redis://host:1/0');
  expect(isPyralogError(error) && error.code).toBe(code);
  expect(String(error)).toMatch(/Nothing was done: .*redis:\/\/host:1\/0/);
  expect(String(error)).not.toContain('max retries');
});

test('what the system says of a connection is passed on', () => {
  const refused = named('Error', 'connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED');
  expect(redisError(refused, 'No', 'R')).toMatchObject({
    code: 'unreachable',
    message: 'No: R cannot be reached (connect ECONNREFUSED 127.0.0.1:1).',
  });
});

test('an answer is not handed on with its command, which may hold a password', () => {
  const answer = Object.assign(named('ReplyError', 'WRONGPASS no'), {
    command: { name: 'auth', args: ['kb', 'secret'] },
  });
  const error = redisError(answer, 'No', 'R') as PyralogError;
  expect(error.cause).toBeUndefined();
  expect(error.hint).toContain('password');
});

test('errors that are no trouble of a server stay what they are', () => {
  const defect = new TypeError('x is undefined');
  expect(redisError(defect, 'No', 'R')).toBe(defect);
  const known = new PyralogError('busy', 'Many.');
  expect(redisError(known, 'No', 'R')).toBe(known);
  expect(redisError('text', 'No', 'R')).toBe('text');
});
