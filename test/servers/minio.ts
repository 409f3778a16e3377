import { S3Server } from './s3.ts';

const SCRIPT = new URL('../../infra/scripts/minio.sh', import.meta.url);

/** MinIO: all puts on condition are atomic. Its first start builds it, for minutes. */
export class MinioServer extends S3Server {
  /** @throws {ServerUnavailable} where there is none and none can be had */
  static start(): Promise<MinioServer> {
    return this.started(new MinioServer(SCRIPT));
  }
}
