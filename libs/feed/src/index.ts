export * from './filter.ts';
export * from './position.ts';
