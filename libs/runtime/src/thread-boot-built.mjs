import { threadMain } from '../dist/thread-main.js';

await threadMain();
