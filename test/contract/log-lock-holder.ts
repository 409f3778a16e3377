/** Opens a log, says its pid, and keeps it open until it is killed. */
import { LocalLog } from '@pyralog/log/local';

const [dir = ''] = process.argv.slice(2);
await LocalLog.open({ dir });
process.stdout.write(`${process.pid}\n`);
setInterval(() => undefined, 60_000);
