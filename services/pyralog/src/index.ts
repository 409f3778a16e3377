export {
  type CommitResult,
  type Database,
  type DatabaseHost,
  HttpHost,
  type SchemaAnswer,
  type StatusAnswer,
} from '@pyralog/client';
export {
  type AttributeDefinition,
  type ErrorCode,
  isPyralogError,
  PyralogError,
  type Tx,
  type ValueType,
} from '@pyralog/model';
export * from './attribute-types.ts';
export * from './embedded.ts';
export * from './import-git.ts';
export * from './knowledge-base.ts';
export * from './moment.ts';
export * from './transaction.ts';
export * from './values.ts';
export { databaseNameFor, openRepository, type Repository } from './git/repository.ts';
