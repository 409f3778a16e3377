import { expect, test } from 'vitest';
import { AssignAll } from './advice.ts';

test('who is alone is advised of all partitions, until it is told to stop', async () => {
  const stop = new AbortController();
  const told: number[][] = [];
  for await (const partitions of new AssignAll(async () => 3).join(
    'roles',
    'main.commits',
    stop.signal,
  )) {
    told.push([...partitions]);
    setImmediate(() => stop.abort());
  }
  expect(told).toEqual([[0, 1, 2]]);
  for await (const _ of new AssignAll(async () => 3).join('roles', 'main.commits', stop.signal))
    expect.unreachable('the signal has been given');
});
