import { inspect } from 'node:util';
import { isPyralogError, type PyralogError } from '@pyralog/model';
import { expect, test } from 'vitest';
import { isAbsent, MangledAnswer, mayPass, operatingError, Silence } from './s3-errors.ts';

const STORE = 'the bucket kb at http://s3';

/** As the SDK makes them: the answer hangs on the error, and with it the request and who signed it. */
function answered(status: number, code: string): Error {
  return Object.assign(new Error('The key AKIDSECRET does not fit.'), {
    name: code,
    $metadata: { httpStatusCode: status, requestId: 'request-1', attempts: 1 },
    $response: { headers: { authorization: 'AWS4-HMAC-SHA256 Credential=AKIDSECRET' } },
    AWSAccessKeyId: 'AKIDSECRET',
  });
}

function failed(code: string): Error {
  return Object.assign(new Error(`connect ${code} 127.0.0.1:9000`), { code });
}

function told(error: unknown): PyralogError {
  const known = operatingError(error, 'The object k cannot be read', STORE);
  if (isPyralogError(known)) return known;
  throw new Error(`Not an operating error: ${inspect(known)}`);
}

test.each([
  [404, 'NoSuchBucket', 'storage-failed', 'Make the bucket'],
  [403, 'SignatureDoesNotMatch', 'storage-failed', 'AWS_SECRET_ACCESS_KEY'],
  [403, 'InvalidAccessKeyId', 'storage-failed', 'AWS_ACCESS_KEY_ID'],
  [400, 'ExpiredToken', 'storage-failed', 'AWS_SESSION_TOKEN'],
  [400, 'AuthorizationHeaderMalformed', 'storage-failed', 'AWS_REGION'],
  [301, 'PermanentRedirect', 'storage-failed', 'AWS_REGION'],
  [403, 'AccessDenied', 'storage-failed', 'get, put, list and delete'],
  [501, 'NotImplemented', 'store-unfit', 'Use a store'],
  [507, 'XMinioStorageFull', 'storage-full', 'Make room'],
  [507, 'UnknownError', 'storage-full', 'Make room'],
  [400, 'InvalidRequest', 'storage-failed', undefined],
])('%i %s is final, with advice and without secrets', (status, code, kind, hint) => {
  const error = answered(status, code);
  expect(mayPass(error)).toBe(false);
  const { hint: advice, ...refusal } = told(error);
  expect(refusal.code).toBe(kind);
  expect(advice ?? '').toContain(hint ?? '');
  expect(told(error).message).toMatch(
    new RegExp(`^The object k cannot be read: ${STORE} answers ${status}.*\\.$`),
  );
  const all = inspect(told(error), { depth: 20, showHidden: true });
  expect(all).not.toContain('AKIDSECRET');
  // By it the keepers of the store find what happened.
  expect(all).toContain('request-1');
});

test.each([
  answered(503, 'SlowDown'),
  answered(500, 'InternalError'),
  answered(429, 'UnknownError'),
  answered(409, 'ConditionalRequestConflict'),
  answered(400, 'RequestTimeout'),
  answered(400, 'BadDigest'),
  answered(403, 'RequestTimeTooSkewed'),
  // An answer of the right status that nobody can read.
  answered(200, 'SyntaxError'),
])('$name passes, and is told in the end with what the store said', (error) => {
  expect(mayPass(error)).toBe(true);
  expect(told(error).code).toBe('storage-failed');
});

test.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EPIPE', 'HPE_INVALID_CONSTANT'])(
  '%s passes, and the store is unreachable in the end',
  (code) => {
    expect(mayPass(failed(code))).toBe(true);
    expect(told(failed(code))).toMatchObject({
      code: 'unreachable',
      message: `The object k cannot be read: ${STORE} cannot be reached (${code}).`,
    });
  },
);

test('silence and mangled answers pass', () => {
  expect(mayPass(new Silence(15_000))).toBe(true);
  expect(told(new Silence(15_000))).toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining('(no answer in 15000 ms)'),
  });
  expect(mayPass(new MangledAnswer('sends 1 of 2 bytes'))).toBe(true);
  expect(told(new MangledAnswer('sends 1 of 2 bytes'))).toMatchObject({
    code: 'storage-failed',
    message: `The object k cannot be read: ${STORE} sends 1 of 2 bytes.`,
  });
});

test('a certificate that is not trusted does not pass', () => {
  const error = failed('DEPTH_ZERO_SELF_SIGNED_CERT');
  expect(mayPass(error)).toBe(false);
  expect(told(error)).toMatchObject({
    code: 'unreachable',
    hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
  });
});

test('without credentials it is said how they are given', () => {
  const error = Object.assign(new Error('Could not load credentials'), {
    name: 'CredentialsProviderError',
  });
  expect(mayPass(error)).toBe(false);
  expect(told(error)).toMatchObject({
    code: 'storage-failed',
    message: `The object k cannot be read: there are no credentials for ${STORE}.`,
    hint: expect.stringContaining('AWS_PROFILE'),
  });
});

test('a defect stays what it is', () => {
  const defect = new TypeError('x is not a function');
  expect(mayPass(defect)).toBe(false);
  expect(operatingError(defect, 'It cannot be done', STORE)).toBe(defect);
});

test('a missing object is told from a missing bucket', () => {
  expect(isAbsent(answered(404, 'NoSuchKey'))).toBe(true);
  expect(isAbsent(answered(404, 'NotFound'))).toBe(true);
  expect(isAbsent(answered(404, 'NoSuchBucket'))).toBe(false);
  expect(isAbsent(failed('ECONNREFUSED'))).toBe(false);
});
