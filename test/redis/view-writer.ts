import { createInterface } from 'node:readline';
import { partitionNo, tx } from '@pyralog/model';
import type { EntityView } from '@pyralog/views';
import { RedisViews } from '@pyralog/views/redis';

/**
 * A process that steps the views of partition 0 from 10 to 20, one record for each line of its input:
 * `view-writer.ts URL DATABASE`. It prints `written` after each, and the outcome.
 */
const [url = '', database = ''] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function* entities(): AsyncIterable<EntityView> {
  for (const entity of ['a', 'b', 'c']) {
    await lines.next();
    yield { entity, tx: tx(20n), attributes: new Map([['by', '"the old one"']]) };
    process.stdout.write('written\n');
  }
  await lines.next();
}

const views = new RedisViews({ url, stepRecordsMax: 1 });
const span = { partition: partitionNo(0), from: tx(10n), to: tx(20n) };
const outcome = await views.apply({ database, ...span, entities: entities() });
process.stdout.write(`${outcome}\n`);
process.exit();
