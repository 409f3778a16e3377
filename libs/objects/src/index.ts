export * from './objects.ts';
export * from './probe.ts';
export * from './unfinished.ts';
