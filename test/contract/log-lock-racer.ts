/**
 * One of several processes that fight for a folder of a log. Whoever gets it makes sure to be alone, and
 * lets go of it, or leaves the lock of a dead process behind. Prints how often it had the folder, and
 * every time that it was not alone.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { isPyralogError } from '@pyralog/model';
import { SeededRand } from '@pyralog/runtime';

const [dir = '', id = '', seed = '', millis = ''] = process.argv.slice(2);
const rand = new SeededRand(Number(seed));
const end = performance.now() + Number(millis);
const witness = join(dir, 'witness');
/** The race is for the lock: nothing here has to survive a loss of power. */
const files = { ...fs, fsyncSync: () => undefined };
let held = 0;

// Now and then a call takes long: whoever looked at the lock before it finds another behind it.
const pause = new Int32Array(new SharedArrayBuffer(4));
for (const name of ['linkSync', 'renameSync', 'rmSync'] as const) {
  const call = fs[name] as (...args: unknown[]) => unknown;
  const slow = (...args: unknown[]): unknown => {
    if (rand.fraction() < 0.3) Atomics.wait(pause, 0, 0, rand.fraction() * 3);
    return call(...args);
  };
  Object.assign(fs, { [name]: slow });
}
syncBuiltinESMExports();
const { LocalLog } = await import('@pyralog/log/local');

/** What a process leaves that dies now: a lock that names one that is no more, and no other like it. */
function abandon(): void {
  const draft = join(dir, `dying-${id}`);
  fs.writeFileSync(draft, JSON.stringify({ pid: 2 ** 30 + Number(id), began: String(held) }));
  fs.renameSync(draft, join(dir, 'lock'));
}

while (performance.now() < end) {
  let log: AsyncDisposable;
  try {
    log = await LocalLog.open({ dir, files });
  } catch (error) {
    if (!isPyralogError(error) || error.code !== 'data-locked') throw error;
    continue;
  }
  held++;
  try {
    fs.closeSync(fs.openSync(witness, 'wx'));
    for (let rounds = rand.fraction() * 5; rounds > 0; rounds--)
      await new Promise((resolve) => setImmediate(resolve));
    fs.unlinkSync(witness);
  } catch (error) {
    process.stdout.write(`not alone: ${String(error)}\n`);
  }
  if (rand.fraction() < 0.8) abandon();
  await log[Symbol.asyncDispose]();
}
process.stdout.write(`held ${held}\n`);
