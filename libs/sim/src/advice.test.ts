import { type PartitionNo, partitionNo } from '@pyralog/model';
import { expect, test } from 'vitest';
import { SimGroups } from './advice.ts';
import { seededChoices } from './choice.ts';
import { SimProcess } from './process.ts';
import { Scheduler } from './scheduler.ts';

const partitions = (...numbers: number[]): ReadonlySet<PartitionNo> =>
  new Set(numbers.map(partitionNo));

test('advice is heard as it was set, the newest only, to one, to two at once and to none', async () => {
  const choices = seededChoices(1);
  const scheduler = new Scheduler({ choice: choices.stream('scheduler') });
  const groups = new SimGroups();
  const heard = new Map<string, string[]>();
  const stop = new AbortController();
  const members = ['a', 'b'].map(async (name) => {
    const process = new SimProcess(`${name}#2`, scheduler, choices.stream(name));
    const told: string[] = [];
    heard.set(name, told);
    for await (const advice of groups.connect(process).join('g', 'topic', stop.signal))
      told.push([...advice].join());
    told.push('left');
  });
  groups.advise('g', 'a', partitions(0, 1));
  await scheduler.idle(100);
  expect(groups.members('g')).toEqual(['a', 'b']);
  groups.advise('g', 'b', partitions(1));
  await scheduler.idle(100);
  groups.advise('other', 'a', partitions(7));
  groups.advise('g', 'a', partitions(0));
  groups.advise('g', 'a', partitions());
  await scheduler.idle(100);
  stop.abort();
  await scheduler.idle(100);
  await Promise.all(members);
  expect(heard.get('a')).toEqual(['0,1', '', 'left']);
  expect(heard.get('b')).toEqual(['', '1', 'left']);
  expect(groups.members('g')).toEqual([]);
});
