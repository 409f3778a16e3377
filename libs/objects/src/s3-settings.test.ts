import { isPyralogError, type PyralogError } from '@pyralog/model';
import { expect, test } from 'vitest';
import { S3Objects } from './s3.ts';
import { s3OptionsOf } from './s3-settings.ts';

const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI' };

function refusalOf(act: () => unknown): PyralogError {
  try {
    act();
  } catch (error) {
    if (isPyralogError(error)) return error;
    throw error;
  }
  throw new Error('Nothing was refused.');
}

test('a store of one’s own is named by its address, and has one region', () => {
  expect(s3OptionsOf({ url: 'http://127.0.0.1:9000/', bucket: 'kb' }, KEYS)).toEqual({
    endpoint: 'http://127.0.0.1:9000',
    region: 'us-east-1',
    bucket: 'kb',
    prefix: undefined,
    credentials: {
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: 'wJalrXUtnFEMI',
      sessionToken: undefined,
    },
    forcePathStyle: true,
  });
});

test('a bucket may have a prefix behind it', () => {
  const prefixOf = (bucket: string): unknown => {
    const { bucket: name, prefix } = s3OptionsOf({ url: 'http://h', bucket }, {});
    return [name, prefix];
  };
  expect(prefixOf('kb/a/b')).toEqual(['kb', 'a/b']);
  expect(prefixOf('kb/a/')).toEqual(['kb', 'a']);
  expect(prefixOf('kb/')).toEqual(['kb', undefined]);
});

test('Amazon’s hosts say the region, and have a host name per bucket', () => {
  for (const [url, region] of [
    ['https://s3.eu-central-1.amazonaws.com', 'eu-central-1'],
    ['https://s3.dualstack.us-west-2.amazonaws.com', 'us-west-2'],
    ['https://s3.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
  ] as const)
    expect(s3OptionsOf({ url, bucket: 'kb' }, {})).toMatchObject({ region, forcePathStyle: false });
  expect(s3OptionsOf({ bucket: 'kb' }, { AWS_REGION: 'eu-west-1' })).toMatchObject({
    endpoint: undefined,
    region: 'eu-west-1',
    forcePathStyle: false,
    credentials: undefined,
  });
});

test('flags go before variables, the more special variable before the other', () => {
  const environment = {
    AWS_ENDPOINT_URL: 'http://all',
    AWS_ENDPOINT_URL_S3: 'http://s3',
    AWS_REGION: 'one',
    AWS_DEFAULT_REGION: 'two',
    AWS_SESSION_TOKEN: 'token',
    ...KEYS,
  };
  const of = (url: string | undefined, without: string[] = []): unknown =>
    s3OptionsOf(
      { url, bucket: 'kb' },
      Object.fromEntries(Object.entries(environment).filter(([name]) => !without.includes(name))),
    );
  expect(of('http://flag')).toMatchObject({ endpoint: 'http://flag', region: 'one' });
  expect(of(undefined)).toMatchObject({
    endpoint: 'http://s3',
    credentials: { sessionToken: 'token' },
  });
  expect(of(undefined, ['AWS_ENDPOINT_URL_S3', 'AWS_REGION'])).toMatchObject({
    endpoint: 'http://all',
    region: 'two',
  });
});

test('without a region for Amazon, with half of the keys: the variable is named', () => {
  expect(refusalOf(() => s3OptionsOf({ bucket: 'kb' }, KEYS))).toMatchObject({
    code: 'usage',
    hint: expect.stringContaining('AWS_REGION'),
  });
  expect(
    refusalOf(() => s3OptionsOf({ url: 'http://h', bucket: 'kb' }, { AWS_ACCESS_KEY_ID: 'AKID' })),
  ).toMatchObject({
    code: 'usage',
    message: 'AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not.',
  });
});

test.each([
  'http://user:hunter2@127.0.0.1:9000',
  'http://127.0.0.1:9000/hunter2',
  'http://127.0.0.1:9000?hunter2',
  's3://hunter2',
  'hunter2:9000',
  '127.0.0.1:9000',
])('%s is no address, and is not repeated', (url) => {
  const refusal = refusalOf(() => s3OptionsOf({ url, bucket: 'kb' }, {}));
  expect(refusal).toMatchObject({ code: 'usage', hint: expect.stringContaining('http://') });
  expect(`${refusal.message} ${refusal.hint}`).not.toContain('hunter2');
});

test.each([
  [{ bucket: 'a' }, '"a" is no name of a bucket'],
  [{ bucket: 'a/b' }, '"a/b" is no name of a bucket'],
  [{ prefix: '/a' }, '"/a" cannot begin names'],
  [{ prefix: '' }, '"" cannot begin names'],
  [{ prefix: 'a//b' }, '"a//b" cannot begin names'],
  [{ connectionsMax: 0 }, '0 connections are none'],
  [{ endpoint: 'ftp://h' }, 'is not one'],
])('%o is refused before anything is asked of a store', async (wrong, said) => {
  await expect(
    S3Objects.open({ endpoint: 'http://127.0.0.1:1', region: 'r', bucket: 'bucket', ...wrong }),
  ).rejects.toMatchObject({
    code: 'parameter-invalid',
    message: expect.stringContaining(said),
  });
});
