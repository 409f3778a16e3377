import { randomBytes } from 'node:crypto';
import type { ObjectStore } from '@pyralog/objects';
import type { S3Objects, S3Options } from '@pyralog/objects/s3';
import { inject } from 'vitest';

/** The server of this run, and a part of its bucket that no other test has. */
export function ownPart(): S3Options & {
  readonly endpoint: string;
  readonly prefix: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
} {
  const { url, accessKey, secretKey, bucket } = inject('s3');
  return {
    endpoint: url,
    region: 'us-east-1',
    bucket,
    prefix: `test-${randomBytes(8).toString('hex')}`,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  };
}

/** Closes a store behind the deletion of all that is in it. */
export async function emptyAndClose(store: S3Objects): Promise<void> {
  await Promise.all((await keysOf(store)).map((key) => store.delete(key)));
  await store[Symbol.asyncDispose]();
}

/** The keys of a store, as it lists them. */
export async function keysOf(store: ObjectStore, prefix = '', after = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, { after })) keys.push(key);
  return keys;
}

export const bytes = (text: string): Uint8Array => Buffer.from(text);

export const text = (content: Uint8Array | undefined): string | undefined =>
  content && Buffer.from(content).toString();
