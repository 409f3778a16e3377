/** The cache against a list in order of use. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockCache } from './block-cache.ts';

/** A block that says where it is from. */
interface Named {
  readonly name: string;
  readonly byteLength: number;
}

const BYTES_MAX = 100;
const use = fc.record({
  scope: fc.nat(1),
  file: fc.constantFrom('a', 'b'),
  number: fc.nat(4),
  bytes: fc.integer({ min: 1, max: 120 }),
  kind: fc.constantFrom('load', 'load', 'load', 'peek', 'forget'),
});

test('I13 what was used last is there, within the bound, and no scope has the blocks of another', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(use, { maxLength: 60 }), async (uses) => {
      const cache = new BlockCache(BYTES_MAX);
      const scopes = [cache.scope<Named>(), cache.scope<Named>()] as const;
      /** Oldest first. */
      let model: Named[] = [];
      for (const { scope, file, number, bytes, kind } of uses) {
        const at = scopes[scope as 0 | 1];
        const name = `${scope} ${file} ${number}`;
        const known = model.find((block) => block.name === name);
        if (kind === 'forget') {
          at.forget(file);
          model = model.filter((block) => !block.name.startsWith(`${scope} ${file} `));
        } else if (kind === 'peek') {
          expect(at.peek(file, number)).toBe(known);
          if (known !== undefined) model = [...model.filter((b) => b !== known), known];
        } else {
          const fresh = { name, byteLength: bytes };
          const block = await at.load(file, number, async () => fresh);
          expect(block).toBe(known ?? fresh);
          model = [...model.filter((b) => b !== known), block];
          // The newest stays, however large.
          while (model.length > 1 && sum(model) > BYTES_MAX) model.shift();
        }
        expect(cache.bytes).toBe(sum(model));
      }
    }),
  );
});

test('a block that several ask for is loaded once, and again where that failed', async () => {
  const scope = new BlockCache(BYTES_MAX).scope<Named>();
  let loads = 0;
  const fetch = async (): Promise<Named> => {
    loads++;
    if (loads === 1) throw new Error('lost');
    return { name: 'a', byteLength: 1 };
  };
  const failed = await Promise.allSettled([scope.load('a', 0, fetch), scope.load('a', 0, fetch)]);
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const [one, two] = await Promise.all([scope.load('a', 0, fetch), scope.load('a', 0, fetch)]);
  expect(one).toBe(two);
  expect(loads).toBe(2);
});

const sum = (blocks: readonly Named[]): number =>
  blocks.reduce((all, { byteLength }) => all + byteLength, 0);
