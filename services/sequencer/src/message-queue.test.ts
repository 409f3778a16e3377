import { logOffset, partitionNo } from '@pyralog/model';
import { expect, test } from 'vitest';
import { GROUP_MESSAGES_MAX } from './mailbox.ts';
import { MessageQueue } from './message-queue.ts';

const done = (no: number) =>
  ({
    kind: 'done',
    id: { coordinator: partitionNo(0), offset: logOffset(no) },
    part: '',
    attempt: 1,
    from: partitionNo(1),
  }) as const;
const numbers = (queue: MessageQueue, max?: number): readonly (readonly [number, number])[] =>
  queue
    .take(max)
    .map(({ offset, message }) => [offset, message.kind === 'done' ? message.id.offset : -1]);

test('messages come in order, at offsets that go on from those of the log', () => {
  const queue = new MessageQueue();
  queue.begin(logOffset(7));
  expect([queue.waiting, queue.take()]).toEqual([false, []]);
  for (let no = 0; no < 3; no++) queue.put(done(no));
  expect(queue.waiting).toBe(true);
  expect(numbers(queue, 2)).toEqual([
    [7, 0],
    [8, 1],
  ]);
  queue.put(done(3));
  expect(numbers(queue)).toEqual([
    [9, 2],
    [10, 3],
  ]);
  expect(queue.waiting).toBe(false);
});

test('what has come is kept when a leader begins again, at the offset that the log has then', () => {
  const queue = new MessageQueue();
  queue.begin(logOffset(7));
  queue.put(done(0));
  queue.put(done(1));
  expect(numbers(queue, 1)).toEqual([[7, 0]]);
  // The record with it was lost.
  queue.begin(logOffset(7));
  expect(numbers(queue)).toEqual([[7, 1]]);
});

test('a group has a bound', () => {
  const queue = new MessageQueue();
  for (let no = 0; no <= GROUP_MESSAGES_MAX; no++) queue.put(done(no));
  expect(queue.take()).toHaveLength(GROUP_MESSAGES_MAX);
  expect(queue.take()).toHaveLength(1);
});

test('whoever leads is told of each message, until nothing more comes', () => {
  const queue = new MessageQueue();
  let told = 0;
  queue.onArrival = () => void told++;
  queue.put(done(0));
  queue.put(done(1));
  expect(told).toBe(2);
  queue.close();
  queue.put(done(2));
  expect([told, queue.waiting, queue.take()]).toEqual([2, false, []]);
});
