import { MemoryHost } from '../http/memory-database.ts';
import { databaseContract } from './database.ts';

databaseContract('the naive database of the tests', async () => new MemoryHost());
