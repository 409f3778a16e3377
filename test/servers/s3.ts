import { ScriptedServer } from './server.ts';

/** What a client needs to know of an S3. */
export interface S3Access {
  /** Buckets are the first part of its paths. */
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** It is there. */
  readonly bucket: string;
}

/** The keys and the bucket of infra/scripts/answers.mjs. */
export class S3Server extends ScriptedServer {
  readonly accessKey = 'testkey';
  readonly secretKey = 'testsecret';
  readonly bucket = 'pyralog';

  get access(): S3Access {
    const { address, accessKey, secretKey, bucket } = this;
    return { url: address, accessKey, secretKey, bucket };
  }
}
