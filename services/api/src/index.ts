export { type Api, type ApiOptions, createApi, createMonitor, type MonitorOptions } from './api.ts';
export type { ApiConfig } from './door.ts';
export { TransactionStages } from './transaction-stages.ts';
