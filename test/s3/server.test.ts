import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startS3 } from '../servers/chosen-s3.ts';
import type { S3Server } from '../servers/s3.ts';
import { serverSuite } from '../servers/suite.ts';

const Key = 'value';

async function using<T>(
  { access }: S3Server,
  use: (s3: S3Client, Bucket: string) => Promise<T>,
): Promise<T> {
  const { url, accessKey, secretKey, bucket } = access;
  const s3 = new S3Client({
    endpoint: url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    // A server that has been started must do everything at once.
    maxAttempts: 1,
  });
  try {
    return await use(s3, bucket);
  } finally {
    s3.destroy();
  }
}

serverSuite(startS3, {
  write: (server, Body) =>
    using(
      server,
      async (s3, Bucket) => void (await s3.send(new PutObjectCommand({ Bucket, Key, Body }))),
    ),
  read: (server) =>
    using(server, async (s3, Bucket) => {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
      return Body?.transformToString();
    }),
});
