import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InFlight } from './in-flight.ts';
import { StreamReader } from './stream-reader.ts';

async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncIterable<Buffer> {
  let at = 0;
  for (const size of sizes) yield bytes.subarray(at, (at += size));
  yield bytes.subarray(at);
}

test('output is taken apart alike however it arrives', async () => {
  const parts = fc.array(
    fc
      .uint8Array({ max: 1, maxLength: 12 })
      .map((bytes) => Buffer.from(bytes).map((byte) => byte + 1)),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(parts, fc.array(fc.nat(7)), async (records, sizes) => {
      const whole = Buffer.concat(
        records.flatMap((record) => [
          Buffer.from(`${record.length}\n`),
          Buffer.from(record),
          Buffer.of(0),
        ]),
      );
      const reader = new StreamReader(inPieces(whole, sizes));
      const kept: Buffer[] = [];
      for (const record of records) {
        const length = await reader.until(0x0a);
        expect(length?.toString()).toBe(String(record.length));
        const taken =
          record.length % 2 === 0 ? await reader.take(record.length) : await reader.until(0);
        if (record.length % 2 === 0) expect(await reader.take(1)).toEqual(Buffer.of(0));
        kept.push(taken as Buffer);
      }
      // Views stay what they were while more is read.
      expect(kept.map((each) => each.toString('hex'))).toEqual(
        records.map((each) => Buffer.from(each).toString('hex')),
      );
      expect(await reader.until(0)).toBeUndefined();
      expect(await reader.take(1)).toBeUndefined();
    }),
  );
});

test('what is on its way is bounded by count and bytes, and the first refusal is the one told', async () => {
  const flight = new InFlight({ countMax: 3, bytesMax: 100 });
  const release: (() => void)[] = [];
  let most = 0;
  let now = 0;
  const call = (fails: boolean) => async (): Promise<void> => {
    most = Math.max(most, ++now);
    await new Promise<void>((resolve) => release.push(resolve));
    now--;
    if (fails) throw new Error(`refused ${release.length}`);
  };
  expect(await flight.send(60, call(false))).toBe(true);
  expect(await flight.send(40, call(false))).toBe(true);
  const third = flight.send(1, call(true));
  release[0]?.();
  expect(await third).toBe(true);
  expect(await flight.send(1, call(true))).toBe(true);
  expect(most).toBe(3);
  // The later one is answered first.
  release[3]?.();
  release[1]?.();
  release[2]?.();
  await expect(flight.settle()).rejects.toThrow('refused');
  expect(await flight.send(1, call(false))).toBe(false);
});
