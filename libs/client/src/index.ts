export * from './answer-print.ts';
export * from './answer-read.ts';
export * from './database.ts';
export * from './problem.ts';
