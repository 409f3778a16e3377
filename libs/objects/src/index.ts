export * from './objects.ts';
export * from './probe.ts';
