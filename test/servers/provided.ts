import type { S3Access } from './s3.ts';

declare module 'vitest' {
  /** What the tests of real servers are given; each of its own project. */
  interface ProvidedContext {
    /** `127.0.0.1:port` of a broker. */
    kafka: string;
    s3: S3Access;
    /** `redis://` URL. */
    redis: string;
    /** Why the project has no server, where it has none: none of its tests runs then. */
    unavailable: string | undefined;
  }
}
