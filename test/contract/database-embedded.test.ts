import { openEmbedded } from '../../services/pyralog/src/embedded.ts';
import { databaseContract } from './database.ts';

databaseContract('the database of one process', () => openEmbedded({ dir: undefined }));

// Parts of a few facts, so that every answer is merged from many runs and the live index.
databaseContract('the database of one process with small runs', () =>
  openEmbedded({ dir: undefined, cutRule: { factsMax: 3, bytesMax: 1e9 } }),
);
