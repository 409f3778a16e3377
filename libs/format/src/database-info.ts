import { assert } from '@pyralog/base';
import { PARTITIONS_MAX } from '@pyralog/model';
import { decodeCheckedJson, encodeCheckedJson } from './checked-json.ts';
import { damaged, unknownFormat } from './damage.ts';
import { isDatabaseName } from './object-names.ts';

/** `<db>/database.json`, written once. */
export interface DatabaseInfo {
  readonly formatVersion: 0;
  readonly name: string;
  /** 128 random bits, hexadecimal: cursors and offsets of another database are known by it. */
  readonly id: string;
  readonly partitions: number;
  readonly strict: boolean;
  /** The mode at creation; `live` later is a fact. */
  readonly mode: 'import' | 'live';
  /** Wall clock at creation, RFC 3339. */
  readonly created: string;
}

/** JSON with a checksum (checked-json.ts). */
export function encodeDatabaseInfo(info: DatabaseInfo): Uint8Array {
  const wrong = checkInfo(info);
  assert(wrong === undefined, `a database must not be made: ${wrong}`);
  const { formatVersion, name, id, partitions, strict, mode, created } = info;
  return encodeCheckedJson({ formatVersion, name, id, partitions, strict, mode, created });
}

/** @throws object-damaged, format-unknown */
export function decodeDatabaseInfo(bytes: Uint8Array, what = 'database.json'): DatabaseInfo {
  const from = decodeCheckedJson(bytes, what);
  const version = from.count('formatVersion');
  if (version !== 0) throw unknownFormat(what, `format version ${version}`);
  const mode = from.text('mode');
  if (mode !== 'import' && mode !== 'live') throw damaged(what, 'its mode is unknown');
  const info: DatabaseInfo = {
    formatVersion: 0,
    name: from.text('name'),
    id: from.text('id'),
    partitions: from.count('partitions'),
    strict: from.boolean('strict'),
    mode,
    created: from.text('created'),
  };
  const wrong = checkInfo(info);
  if (wrong !== undefined) throw damaged(what, wrong);
  return info;
}

function checkInfo(info: DatabaseInfo): string | undefined {
  if (!isDatabaseName(info.name)) return 'its name is not valid';
  if (!/^[0-9a-f]{32}$/.test(info.id)) return 'its id is not valid';
  if (info.partitions < 1 || info.partitions > PARTITIONS_MAX)
    return 'its partitions are not valid';
  return undefined;
}
