import type { ObjectInfo, ObjectStore } from '@pyralog/objects';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

export interface ObjectsUnderTest {
  readonly store: ObjectStore;
  close(): Promise<void>;
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (content: Uint8Array | undefined): string | undefined =>
  content && Buffer.from(content).toString();

/** What every adapter of ObjectStore promises (libs/objects/src/objects.ts). */
export function objectsContract(name: string, make: () => Promise<ObjectsUnderTest>): void {
  describe(`ObjectStore: ${name}`, () => {
    let tested: ObjectsUnderTest;
    let store: ObjectStore;
    beforeEach(async () => {
      tested = await make();
      store = tested.store;
    });
    afterEach(() => tested.close());

    test('the first writer of a key wins, and nothing changes after it (I7)', async () => {
      expect(await store.put('a/b', bytes('one'))).toBe('created');
      expect(await store.put('a/b', bytes('two'))).toBe('exists');
      expect(text(await store.get('a/b'))).toBe('one');
    });

    test('of many writers at once exactly one creates a key', async () => {
      const results = await Promise.all(
        Array.from({ length: 16 }, (_, i) => store.put('race/key', bytes(`writer ${i}`))),
      );
      const winner = results.indexOf('created');
      expect(results.filter((result) => result === 'created')).toHaveLength(1);
      expect(text(await store.get('race/key'))).toBe(`writer ${winner}`);
    });

    test('ranges are cut at the end, and counted from it', async () => {
      await store.put('r', bytes('0123456789'));
      expect(text(await store.getRange('r', 2, 3))).toBe('234');
      expect(text(await store.getRange('r', 8, 100))).toBe('89');
      expect(text(await store.getRange('r', -3, 2))).toBe('78');
      expect(text(await store.getRange('r', -100, 2))).toBe('01');
      expect(text(await store.getRange('r', 50, 5))).toBe('');
    });

    test('what is not there is undefined, and deleted quietly', async () => {
      expect(await store.get('none')).toBeUndefined();
      expect(await store.getRange('no/ne', 0, 1)).toBeUndefined();
      expect(await store.head('none')).toBeUndefined();
      await store.delete('none');
      await store.put('gone', bytes(''));
      expect(await store.head('gone')).toEqual({ key: 'gone', bytes: 0 });
      await store.delete('gone');
      expect(await store.get('gone')).toBeUndefined();
      expect(await store.put('gone', bytes('again'))).toBe('created');
      expect(text(await store.get('gone'))).toBe('again');
    });

    test('a listing is in byte order, of a prefix, after a key', async () => {
      // '-' and '.' come before '/', digits after it: folders must not be listed as their names.
      const keys = ['d/a', 'd-x/b', 'd.y/c', 'd0/d', 'd/b/deep', 'e', 'd/z', 'Z'];
      for (const key of keys) await store.put(key, bytes(key));
      const sorted = keys.toSorted((a, b) => (a < b ? -1 : 1));
      expect(await listed(store.list(''))).toEqual(sorted);
      expect(await listed(store.list('d/'))).toEqual(['d/a', 'd/b/deep', 'd/z']);
      expect(await listed(store.list('d'))).toEqual(sorted.filter((key) => key.startsWith('d')));
      for (const after of keys)
        expect(await listed(store.list('', { after }))).toEqual(
          sorted.filter((key) => key > after),
        );
      expect(await listed(store.list('none/'))).toEqual([]);
    });

    test('the store keeps its own copy of what it was given, and gives others', async () => {
      const given = new Uint8Array([1, 2, 3]);
      await store.put('copy', given);
      given.fill(9);
      const got = await store.get('copy');
      got?.fill(8);
      expect([...((await store.get('copy')) ?? [])]).toEqual([1, 2, 3]);
    });
  });
}

async function listed(infos: AsyncIterable<ObjectInfo>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of infos) keys.push(key);
  return keys;
}
