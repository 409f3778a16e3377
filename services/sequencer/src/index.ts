export * from './leader.ts';
