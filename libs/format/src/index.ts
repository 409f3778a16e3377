export * from './commit-record.ts';
export * from './fact-columns.ts';
export * from './manifest.ts';
