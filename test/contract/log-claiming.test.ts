import { createHash } from 'node:crypto';
import { claimKey } from '@pyralog/format';
import type { StoredRecord } from '@pyralog/log';
import { MemoryLog } from '@pyralog/log/memory';
import { logOffset, partitionNo } from '@pyralog/model';
import { MemoryObjects } from '@pyralog/objects/memory';
import { CLAIM_HEADER } from '@pyralog/service-sequencer';
import { describe, expect, test } from 'vitest';
import { ClaimingLog } from '../../services/pyralog/src/cluster/claiming-log.ts';
import { logContract } from './log.ts';

// Nearly every value is too large for a record.
logContract('with a claim check', async () => {
  const log = new MemoryLog();
  return {
    log: new ClaimingLog(log, new MemoryObjects(), 3),
    close: () => log[Symbol.asyncDispose](),
  };
});

describe('a claim check', () => {
  const commits = { topic: 'main.commits', partition: partitionNo(0) };
  const inputs = { topic: 'main.transactions', partition: partitionNo(0) };
  const large = Buffer.from('larger than a record');
  const sha256 = createHash('sha256').update(large).digest('hex');
  const key = claimKey('main', sha256);

  async function world(): Promise<{ log: MemoryLog; objects: MemoryObjects; claims: ClaimingLog }> {
    const log = new MemoryLog();
    const objects = new MemoryObjects();
    for (const { topic } of [commits, inputs]) await log.createTopic(topic, 1);
    return { log, objects, claims: new ClaimingLog(log, objects, 10) };
  }

  async function all(
    log: Pick<MemoryLog, 'read'>,
    topic = commits,
  ): Promise<readonly StoredRecord[]> {
    const records: StoredRecord[] = [];
    for await (const batch of log.read(topic, logOffset(0), { follow: false }))
      records.push(...batch);
    return records;
  }

  test('puts what is large into an object first, and a reference into the log', async () => {
    const { log, objects, claims } = await world();
    const small = { value: Buffer.from('small'), headers: { a: Buffer.from('b') } };
    const headers = { 'pyralog-format': Buffer.from('transaction') };
    await claims.append(commits, [small, { value: large, headers }, small]);
    const [, claim] = await all(log);
    expect(claim?.value).toHaveLength(0);
    expect(Buffer.from(claim?.headers?.[CLAIM_HEADER] ?? []).toString()).toBe(sha256);
    expect(Buffer.from((await objects.get(key)) ?? [])).toEqual(large);
    const read = await all(claims);
    expect(read.map(({ value }) => Buffer.from(value ?? []).toString())).toEqual([
      'small',
      large.toString(),
      'small',
    ]);
    expect(Object.keys(read[1]?.headers ?? {})).toEqual(['pyralog-format']);
  });

  test('refuses a commit log whose objects are not there, or are others', async () => {
    const { log, objects, claims } = await world();
    await log.append(commits, [
      { value: new Uint8Array(0), headers: { [CLAIM_HEADER]: Buffer.from(sha256) } },
    ]);
    await expect(all(claims)).rejects.toMatchObject({ code: 'object-missing' });
    await objects.put(key, Buffer.from('other'));
    await expect(all(claims)).rejects.toMatchObject({ code: 'object-damaged' });
  });

  test('gives a bad claim of an input topic as it is: it will be rejected, and what follows goes on', async () => {
    const { log, claims } = await world();
    for (const text of [sha256, '../database.json', '', 'A'.repeat(64)])
      await log.append(inputs, [{ value: large, headers: { [CLAIM_HEADER]: Buffer.from(text) } }]);
    await log.append(inputs, [{ value: large }]);
    const read = await all(claims, inputs);
    expect(read.map(({ headers }) => CLAIM_HEADER in (headers ?? {}))).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
  });
});
