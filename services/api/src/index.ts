export { type Api, type ApiOptions, createApi } from './api.ts';
export type { ApiConfig } from './door.ts';
