export * from './compressed.ts';
export * from './ipc.ts';
