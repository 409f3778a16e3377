export { type Api, type ApiOptions, createApi } from './create.ts';
