// A worker started from TypeScript source: `--import tsx` does not reach workers, register() does.
import { register } from 'tsx/esm/api';

register();
const { threadMain } = await import('./thread-main.ts');
await threadMain();
