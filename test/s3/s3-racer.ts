/**
 * One of several processes that put the same keys at the same time: four for each line of its input, named
 * by it. Prints a line when it is ready, and for each round those that it created.
 */
import { createInterface } from 'node:readline';
import { S3Objects, s3OptionsOf } from '@pyralog/objects/s3';

const [url = '', bucket = '', id = ''] = process.argv.slice(2);
await using store = await S3Objects.open(s3OptionsOf({ url, bucket }, process.env));
process.stdout.write('ready\n');
for await (const round of createInterface({ input: process.stdin })) {
  const keys = [0, 1, 2, 3].map((i) => `race/${round}-${i}`);
  const outcomes = await Promise.all(keys.map((key) => store.put(key, Buffer.from(id))));
  const created = keys.filter((_, i) => outcomes[i] === 'created');
  process.stdout.write(`${created.join(' ')}\n`);
}
