export * from './arbitraries.ts';
export * from './refusals.ts';
