import { utf8Encode } from '@pyralog/base';
import { emptyLogState, encodeCommitRecord, encodeFacts, type Item } from '@pyralog/format';
import type { LogOffset } from '@pyralog/model';
import {
  epoch,
  initialSchema,
  logOffset,
  ownerId,
  parseDocument,
  partitionNo,
  printDocument,
  tx,
} from '@pyralog/model';
import { MemoryLog } from '@pyralog/log/memory';
import { Health, SeededRand, SystemClock, SystemTimers } from '@pyralog/runtime';
import type { Sent } from '@pyralog/sequencing';
import { expect, test } from 'vitest';
import { DocumentQueue } from './document-queue.ts';
import { PartitionLeader } from './leader.ts';
import { NO_MAILBOX } from './mailbox.ts';

const topic = { topic: 'main.commits', partition: partitionNo(0) };
/** Where the manifest was cut, and a record before it that the log may have forgotten by now. */
const [CUT, OPEN] = [logOffset(3), logOffset(1)];

test('T10 a transaction that was open at the cut is gone on with, whatever the log has forgotten', async () => {
  const log = new MemoryLog();
  await log.createTopic(topic.topic, 1);
  // What stands there in its place says nothing of it.
  const owner = ownerId('ab'.repeat(16));
  for (let i = 1; i <= CUT; i++)
    await log.append(topic, [
      { value: encodeCommitRecord({ kind: 'epoch', epoch: epoch(i), owner }) },
    ]);
  const document = parseDocument('{"ops":[{"entity":"e:0","n":1}]}');
  const start = tx(1_767_225_600_000_000_000n);
  const begin: Item = {
    kind: 'begin',
    offset: logOffset(0),
    attempt: 1,
    start,
    begun: start,
    document: utf8Encode(printDocument(document)),
    contentHash: document.contentHash,
    parts: [
      { partition: partitionNo(1), name: '', content: utf8Encode('{"document":"{\\"ops\\":[]}"}') },
    ],
    facts: encodeFacts([]),
    locks: [],
  };
  const asked: LogOffset[] = [];
  const clock = new SystemClock();
  let posted: (messages: readonly Sent[]) => void = () => undefined;
  const asking = new Promise<readonly Sent[]>((resolve) => (posted = resolve));
  await using _leader = await PartitionLeader.lead({
    topic,
    partition: partitionNo(0),
    partitions: 2,
    log,
    index: {
      start: async () => ({
        state: {
          ...emptyLogState(),
          next: CUT,
          clock: start,
          admission: { epoch: epoch(CUT), owner, seq: 0 },
          lowWater: logOffset(1),
          open: { begun: [{ offset: logOffset(0), start, records: [OPEN] }], prepared: [] },
        },
        schema: initialSchema({}),
        empty: true,
      }),
      answer: async () => [],
      itemsOf: async (offset) => {
        asked.push(offset);
        return [begin];
      },
    },
    clock,
    timers: new SystemTimers(),
    rand: new SeededRand(1),
    blobs: { putBlob: async () => undefined },
    cacheBytesMax: 1e9,
    inbox: new DocumentQueue({ documents: 10, bytes: 1e6 }),
    mailbox: NO_MAILBOX,
    post: (messages) => posted(messages),
    publish: () => undefined,
    hasRoom: () => true,
    noRoom: () => {
      throw new Error('there is always room');
    },
    health: new Health({ clock, onFailure: () => undefined, onRecovery: () => undefined }),
  });
  expect(await asking).toMatchObject([
    { to: 1, message: { kind: 'prepare', attempt: 1, id: { coordinator: 0, offset: 0 } } },
  ]);
  expect(asked).toEqual([OPEN]);
});
