export * from './backoff.ts';
export * from './channel.ts';
export * from './clock.ts';
export * from './health.ts';
export * from './ports.ts';
export * from './rand.ts';
export * from './service.ts';
export * from './threads.ts';
