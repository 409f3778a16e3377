/** One of several processes that put the same 50 keys; prints those that it created. */
import { LocalObjects } from '@pyralog/objects/local';

const [dir = '', id = ''] = process.argv.slice(2);
const store = await LocalObjects.open({ dir });
const puts = Array.from({ length: 50 }, async (_, i) => {
  const key = `race/${i}`;
  if ((await store.put(key, Buffer.from(id))) === 'created') process.stdout.write(`${key}\n`);
});
await Promise.all(puts);
