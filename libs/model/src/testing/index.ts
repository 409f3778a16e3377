export * from './arbitraries.ts';
export * from './documents.ts';
export * from './refusals.ts';
