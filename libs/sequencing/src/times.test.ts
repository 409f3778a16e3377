import { type DatabaseMode, parseDocument } from '@pyralog/model';
import { expect, test } from 'vitest';
import { timeRefusal } from './times.ts';

const SECOND = 1_000_000_000n;
const AT = '1970-01-01T00:00:10Z';

test.each<[at: string | undefined, mode: DatabaseMode, last: bigint, now: bigint, why: string]>([
  [undefined, 'live', 0n, 0n, ''],
  [undefined, 'import', 20n, 0n, ''],
  [AT, 'import', 0n, 20n, ''],
  [AT, 'import', 10n, 10n, ''],
  [AT, 'import', 11n, 20n, 'lies before the last transaction, 1970-01-01T00:00:11.000000000Z'],
  [AT, 'import', 0n, 9n, 'lies in the future; it is 1970-01-01T00:00:09.000000000Z'],
  [AT, 'live', 0n, 20n, 'the database is live'],
])('at %s, %s, last %s s, now %s s: %s', (at, mode, last, now, why) => {
  const document = parseDocument(JSON.stringify({ at, ops: [{ entity: 'e', a: 1 }] }));
  const refusal = timeRefusal(document, mode, last * SECOND, now * SECOND);
  if (why === '') expect(refusal).toBeUndefined();
  else {
    expect(refusal?.code).toBe('import-time-invalid');
    expect(refusal?.message).toContain(why);
  }
});
