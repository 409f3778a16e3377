import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes that the files of a data folder take on the disk, by kind: `log`, `segments`, `runs eavt`, … */
export function bytesByKind(dir: string): ReadonlyMap<string, number> {
  const kinds = new Map<string, number>();
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const kind = kindOf(file.slice(dir.length + 1));
    // In units of 512 bytes, whatever the file system's blocks are.
    kinds.set(kind, (kinds.get(kind) ?? 0) + statSync(file).blocks * 512);
  }
  return kinds;
}

/** `bucket/main/index/0/eavt-0-….run` → `runs eavt` */
function kindOf(path: string): string {
  const [top = '', , folder = ''] = path.split('/');
  if (top !== 'bucket') return top;
  if (folder === 'segments') return 'segments';
  const order = /\/([a-z]+)-[^/]*\.run$/.exec(path)?.[1];
  return order === undefined ? 'others' : `runs ${order}`;
}
