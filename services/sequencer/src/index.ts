export type { BlobStore } from './blobs.ts';
export * from './document-queue.ts';
export type { Inbox, Taken } from './inbox.ts';
export * from './leader.ts';
export type { LeaderIndex } from './leadership.ts';
export * from './log-reach.ts';
export * from './input.ts';
export * from './topic-inbox.ts';
