export * from './build.ts';
export * from './compact.ts';
export * from './cut.ts';
export * from './live-index.ts';
export * from './reads.ts';
export * from './schema-facts.ts';
export * from './view.ts';
