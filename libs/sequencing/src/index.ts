export type { Need, NeedAnswer } from './current-state.ts';
export { type Effort, effortOf, type Input, type Outcome } from './outcome.ts';
export { type Contents, longValuesOf, NO_CONTENTS } from './long-values.ts';
export * from './partition-sequencer.ts';
export { FirstIds, type IdentityClaim, type Placement } from './temporary-ids.ts';
export { rejectionOf } from './resolve.ts';
