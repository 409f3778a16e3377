import { expect, test } from 'vitest';
import {
  type ErrorCode,
  type ErrorRow,
  errors,
  isErrorCode,
  isPyralogError,
  PyralogError,
} from './errors.ts';

/** What a category means to a caller: status, whether to try again, who should know. */
const CATEGORIES: Readonly<
  Record<ErrorRow['category'], Readonly<Record<'http' | 'retry' | 'log', readonly unknown[]>>>
> = {
  incorrect: { http: [400, 413, 422], retry: ['never'], log: ['debug'] },
  conflict: { http: [409], retry: ['never', 'soon'], log: ['debug', 'info'] },
  unsupported: { http: [405, 406, 415, 422, 500], retry: ['never'], log: ['debug', 'error'] },
  'not-found': { http: [404], retry: ['never'], log: ['debug'] },
  forbidden: { http: [401, 403], retry: ['never'], log: ['info'] },
  busy: { http: [429, 503, 504], retry: ['later'], log: ['info'] },
  unavailable: { http: [503], retry: ['never', 'later'], log: ['warn', 'error'] },
  interrupted: { http: [408, 503], retry: ['soon', 'later'], log: ['debug', 'info', 'warn'] },
  fault: { http: [500], retry: ['never'], log: ['error'] },
};

test.each(Object.entries(errors))('%s has a row that agrees with itself', (code, row) => {
  expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
  expect(Object.keys(CATEGORIES)).toContain(row.category);
  const { http, retry, log } = CATEGORIES[row.category];
  expect(http).toContain(row.http);
  expect(retry).toContain(row.retry);
  expect(log).toContain(row.log);
  // A title names the kind of error and is no sentence.
  expect(row.title).toMatch(/^[A-Z].*[^.!]$/);
});

test('no two codes have one title', () => {
  const titles = Object.values(errors).map(({ title }) => title);
  expect(new Set(titles).size).toBe(titles.length);
});

// A code is part of the contract: none is renamed, none disappears.
test('the codes are these', () => {
  const contract: readonly ErrorCode[] = [
    'json-malformed',
    'document-invalid',
    'value-invalid',
    'entity-invalid',
    'attribute-invalid',
    'type-mismatch',
    'schema-invalid',
    'schema-change-refused',
    'attribute-unknown',
    'parameter-invalid',
    'as-of-invalid',
    'as-of-future',
    'cursor-invalid',
    'cursor-foreign',
    'offset-invalid',
    'offset-foreign',
    'database-name-invalid',
    'import-time-invalid',
    'usage',
    'transaction-too-large',
    'value-too-large',
    'import-diverged',
    'facts-conflict',
    'cas-failed',
    'condition-failed',
    'unique-conflict',
    'key-reused',
    'database-exists',
    'partitions-spanned',
    'not-found',
    'entity-not-found',
    'transaction-not-found',
    'database-not-found',
    'forbidden',
    'method-not-allowed',
    'media-type-unsupported',
    'request-timeout',
    'busy',
    'await-timeout',
    'storage-full',
    'storage-failed',
    'store-unfit',
    'unreachable',
    'import-source-failed',
    'data-locked',
    'outcome-unknown',
    'stopping',
    'offset-out-of-range',
    'log-damaged',
    'log-behind',
    'object-damaged',
    'object-missing',
    'format-unknown',
    'internal',
  ];
  for (const code of contract) expect(isErrorCode(code), code).toBe(true);
});

test('a text from outside is a code or is not', () => {
  for (const text of ['', 'busy ', 'Busy', '__proto__', 'toString', 'constructor'])
    expect(isErrorCode(text)).toBe(false);
});

test('an error says what is wrong, how to do better, and what the table knows of it', () => {
  const cause = new Error('below');
  const error = new PyralogError('value-too-large', 'The value has 17 MiB.', {
    hint: 'Store it elsewhere.',
    extra: { limit: 16 },
    cause,
  });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    name: 'PyralogError',
    code: 'value-too-large',
    message: 'The value has 17 MiB.',
    hint: 'Store it elsewhere.',
    extra: { limit: 16 },
    cause,
  });
  expect(error.row).toBe(errors['value-too-large']);
  expect(error.row.http).toBe(413);
});

test('without options an error has neither hint nor cause, and nothing extra', () => {
  const error = new PyralogError('busy', 'Too many transactions wait.');
  expect(error.hint).toBeUndefined();
  expect(error.extra).toEqual({});
  expect('cause' in error).toBe(false);
});

test('errors are told by their mark, also of a package that was loaded twice', () => {
  expect(isPyralogError(new PyralogError('busy', 'x'))).toBe(true);
  expect(isPyralogError({ isPyralogError: true, code: 'busy' })).toBe(true);
  for (const other of [new Error('x'), null, undefined, 'isPyralogError', 7, {}])
    expect(isPyralogError(other)).toBe(false);
});
