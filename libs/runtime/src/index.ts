export * from './channel.ts';
export * from './clock.ts';
export * from './ports.ts';
export * from './rand.ts';
export * from './threads.ts';
