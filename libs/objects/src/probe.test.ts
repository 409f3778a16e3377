import { expect, test } from 'vitest';
import { MemoryObjects } from './memory.ts';
import type { ObjectStore } from './objects.ts';
import { probeObjectStore } from './probe.ts';

/** Puts whatever is there, as a store that does not know the condition. */
class OverwritingObjects extends MemoryObjects {
  override async put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    await this.delete(key);
    return super.put(key, bytes);
  }
}

/** Looks first and writes then: right while writers come one after the other. */
class RacingObjects extends MemoryObjects {
  override async put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    const there = await this.head(key);
    await new Promise(setImmediate);
    if (there !== undefined) return 'exists';
    await this.delete(key);
    return super.put(key, bytes);
  }
}

/** Lets one win, and keeps what another wrote. */
class MixingObjects extends MemoryObjects {
  override async put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    const outcome = await super.put(key, bytes);
    if (outcome === 'created') return outcome;
    await this.delete(key);
    await super.put(key, bytes);
    return outcome;
  }
}

/** As {@link MixingObjects}, while several write. */
class TearingObjects extends MemoryObjects {
  #writers = 0;
  override async put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    this.#writers++;
    const outcome = await super.put(key, bytes);
    if (this.#writers > 1 && outcome === 'exists') {
      await this.delete(key);
      await super.put(key, bytes);
    }
    this.#writers--;
    return outcome;
  }
}

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

test('a store that keeps the first writer passes, and is left as it was', async () => {
  const store = new MemoryObjects();
  await store.put('main/database.json', Buffer.from('{}'));
  await probeObjectStore(store, 'the memory');
  expect(await keysOf(store)).toEqual(['main/database.json']);
});

test.each([
  ['overwrites', new OverwritingObjects(), /twice \(created, then created\)\.$/],
  ['lets several win a race', new RacingObjects(), /twice \(16 of 16 writers created it\)\.$/],
  ['keeps what a loser wrote', new MixingObjects(), /twice \(the second content is there\)\.$/],
  ['keeps what the loser of a race wrote', new TearingObjects(), /than its creator is there\)\.$/],
])('a store that %s is refused by name, with the reason, and left clean', async (_, store, why) => {
  await expect(probeObjectStore(store, 'the shelf')).rejects.toMatchObject({
    code: 'store-unfit',
    message: expect.stringMatching(why),
    hint: expect.stringContaining('If-None-Match'),
  });
  await expect(probeObjectStore(store, 'the shelf')).rejects.toThrow(/^The shelf lets a name/);
  expect(await keysOf(store)).toEqual([]);
});

test('what a probe left that was killed is swept by a later one, and not what is under way', async () => {
  const store = new MemoryObjects();
  const [old, fresh] = [Date.now() - 2 * 60 * 60 * 1000, Date.now()];
  for (const since of [old, fresh])
    await store.put(`_probe/${since}-0123456789abcdef/race-0`, Buffer.from('x'));
  await probeObjectStore(store, 'the memory');
  expect(await keysOf(store)).toEqual([`_probe/${fresh}-0123456789abcdef/race-0`]);
});
