import { MemoryViews } from '@pyralog/views/memory';
import { viewsContract } from './views.ts';

let names = 0;
const views = new MemoryViews();

viewsContract(
  'memory',
  {
    open: () => new MemoryViews(views),
    records: async (database) => views.records(database),
    remembered: async (database) => views.remembered(database),
    freshDatabase: () => `db-${names++}`,
  },
  { runs: 1_000 },
);
