export * from './advice.ts';
export * from './log.ts';
