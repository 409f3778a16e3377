import { forEachAtMost } from '@pyralog/base';
import type { Contents } from '@pyralog/sequencing';

/** Where long values are kept. */
export interface BlobStore {
  /** Puts a blob, unless it is there. Resolves when it is durable, whoever put it. */
  putBlob(sha256: string, content: Uint8Array): Promise<void>;
}

/** Blobs that are put at once. */
const PUTS_MAX = 8;

/** Resolves when all are durable. Where it rejects, some may be there: blobs that no fact refers to. */
export function putBlobs(store: BlobStore, blobs: Contents): Promise<void> {
  return forEachAtMost(PUTS_MAX, blobs, ([sha256, content]) => store.putBlob(sha256, content));
}
