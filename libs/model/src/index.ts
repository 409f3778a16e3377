export * from './errors.ts';
export * from './fact.ts';
export * from './tx.ts';
export * from './value.ts';
export * from './document.ts';
export * from './offset.ts';
export * from './schema.ts';
