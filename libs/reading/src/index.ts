export * from './block-cache.ts';
export * from './bucket.ts';
export * from './database-reader.ts';
export * from './follow-manifests.ts';
export * from './index-reader.ts';
export * from './partition-reader.ts';
export * from './schema-read.ts';
export * from './verify.ts';
