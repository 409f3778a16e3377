import { S3Server } from './s3.ts';

const SCRIPT = new URL('../../infra/scripts/s3proxy.sh', import.meta.url);

/** S3Proxy on a folder: puts on condition of absence are atomic, those on condition of a version are not. */
export class S3ProxyServer extends S3Server {
  /** @throws {ServerUnavailable} where there is none and none can be had */
  static start(): Promise<S3ProxyServer> {
    return this.started(new S3ProxyServer(SCRIPT));
  }
}
