import { databaseContract } from './database.ts';
import { served } from '../http/served.ts';
import { MemoryHost } from '../http/memory-database.ts';

databaseContract('a server over HTTP and its client', () => served(new MemoryHost()));
