export * from './build.ts';
export * from './cut.ts';
export * from './live-index.ts';
export * from './reads.ts';
export * from './view.ts';
