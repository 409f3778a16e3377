import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '@pyralog/log';
import { LocalLog } from '@pyralog/log/local';
import { MemoryLog } from '@pyralog/log/memory';
import { RemoteLog, serveLog } from '@pyralog/log/remote';
import { channelPair } from '@pyralog/runtime';
import { durableLogContract, type DurableLogUnderTest, logContract } from './log.ts';

logContract('memory', async () => {
  const log = new MemoryLog();
  return { log, close: () => log[Symbol.asyncDispose]() };
});

async function local(): Promise<DurableLogUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), 'pyralog-log-'));
  // Small files, so that every test crosses from one to the next.
  let log: Log = await LocalLog.open({ dir, fileBytes: 4096 });
  return {
    log,
    async reopen() {
      await log[Symbol.asyncDispose]();
      log = await LocalLog.open({ dir, fileBytes: 4096 });
      return log;
    },
    async close() {
      await log[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
}
logContract('local', local);
durableLogContract('local', local);

logContract('remote', async () => {
  const served = new MemoryLog();
  const [mine, its] = channelPair();
  serveLog(its, served);
  const log = new RemoteLog(mine);
  return {
    log,
    async close() {
      mine.close();
      await served[Symbol.asyncDispose]();
    },
  };
});
