import { isPyralogError } from '@pyralog/model';
import { expect, test } from 'vitest';
import { redisAddress } from './address.ts';

test('an address says host, port, database, who signs in, and whether over TLS', () => {
  expect(redisAddress('redis://127.0.0.1')).toEqual({
    name: 'redis://127.0.0.1:6379/0',
    options: { host: '127.0.0.1', port: 6379, db: 0 },
  });
  expect(redisAddress('rediss://kb:p%40ss%2Fword@redis.example:6390/12')).toEqual({
    name: 'rediss://redis.example:6390/12',
    options: {
      host: 'redis.example',
      port: 6390,
      db: 12,
      username: 'kb',
      password: 'p@ss/word',
      tls: {},
    },
  });
  expect(redisAddress('redis://:secret@[::1]:1/')).toEqual({
    name: 'redis://[::1]:1/0',
    options: { host: '::1', port: 1, db: 0, password: 'secret' },
  });
});

test.for([
  '',
  'localhost:6379',
  'http://127.0.0.1:6379',
  'redis://',
  'redis://host/one',
  'redis://host/1/2',
  'redis://host/123456',
  'redis://host:99999',
  'redis://user:secret%@host',
  'redis://user:secret@host?db=1',
])('%s is none, which is said without its password', (url) => {
  let thrown: unknown;
  try {
    redisAddress(url);
  } catch (error) {
    thrown = error;
  }
  expect(isPyralogError(thrown) && thrown.code).toBe('parameter-invalid');
  expect(JSON.stringify(thrown) + String(thrown)).not.toContain('secret');
});
