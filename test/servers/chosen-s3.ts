import { MinioServer } from './minio.ts';
import type { S3Server } from './s3.ts';
import { S3ProxyServer } from './s3proxy.ts';

const SERVERS: Readonly<Record<string, () => Promise<S3Server>>> = {
  s3proxy: () => S3ProxyServer.start(),
  minio: () => MinioServer.start(),
};

/** An S3 of the kind that this run is on: `PYRALOG_S3_SERVER` is `s3proxy`, which it is unless said, or `minio`. */
export async function startS3(): Promise<S3Server> {
  const name = process.env['PYRALOG_S3_SERVER'] ?? 's3proxy';
  const start = SERVERS[name];
  if (start === undefined)
    throw new Error(`PYRALOG_S3_SERVER is one of ${Object.keys(SERVERS).join(', ')}, not ${name}.`);
  return await start();
}
