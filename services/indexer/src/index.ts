export * from './indexer.ts';
export { INDEXER_LANES, type IndexerThreadData, type IndexerMessage } from './thread.ts';

/** Module of the indexer's thread, for `Threads.start`. */
export const INDEXER_THREAD: URL = new URL(`./thread${import.meta.url.slice(-3)}`, import.meta.url);
