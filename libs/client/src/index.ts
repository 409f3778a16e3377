export * from './address.ts';
export * from './answer-print.ts';
export * from './answer-read.ts';
export * from './database.ts';
export * from './http-database.ts';
export * from './http-host.ts';
export * from './problem.ts';
export type { HttpOptions } from './transport.ts';
