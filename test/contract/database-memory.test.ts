import { MemoryHost } from '../http/memory-database.ts';
import { databaseContract } from './database.ts';
import { semanticsContract, stagesOf } from './database-semantics.ts';

databaseContract('the naive database of the tests', async () => new MemoryHost());

semanticsContract(
  'the naive database of the tests',
  stagesOf(async () => new MemoryHost()),
);
