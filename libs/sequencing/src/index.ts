export type { Need, NeedAnswer } from './current-state.ts';
export * from './partition-sequencer.ts';
