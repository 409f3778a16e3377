export * from './admission.ts';
export type { FileBlock, MissingTail } from './arrow-file.ts';
export * from './codec.ts';
export { NO_FACTS } from './commit-facts.ts';
export * from './commit-record.ts';
export * from './coordination.ts';
export * from './database-info.ts';
export * from './fact-batch.ts';
export { decodeFacts, encodeFacts } from './fact-bytes.ts';
export * from './fact-columns.ts';
export * from './fact-table.ts';
export * from './index-key.ts';
export * from './log-state.ts';
export * from './manifest-check.ts';
export * from './manifest-codec.ts';
export * from './manifest.ts';
export * from './object-names.ts';
export * from './row-order.ts';
export * from './run.ts';
export { RUN_VERSION, type RunBlock, type RunFooter } from './run-index.ts';
export * from './run-writer.ts';
export * from './search-key.ts';
export {
  transactionsOf,
  type PageStatistics,
  type SegmentRecord,
  type SegmentTransaction,
} from './segment-pages.ts';
export * from './segment.ts';
export * from './table-rows.ts';
export * from './text-list.ts';
export * from './text-table.ts';
export * from './tokens.ts';
export * from './transaction-items.ts';
export * from './value-probe.ts';
export * from './verify.ts';
