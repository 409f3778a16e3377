export * from './address.ts';
export * from './connection.ts';
