import { ArrowFileWriter } from './arrow-file.ts';
import type { Codec } from './codec.ts';
import {
  ATTRIBUTE_DICTIONARY,
  type FactLayout,
  LAYOUT_FIELDS,
  TYPE_DICTIONARY,
  TYPE_NAMES,
} from './fact-layout.ts';
import type { TextList } from './text-list.ts';

/** Begins a file of facts: its dictionaries are in it, its batches follow. */
export function beginFactFile(
  layout: FactLayout,
  attributes: TextList,
  codec: Codec,
): ArrowFileWriter {
  const file = new ArrowFileWriter(LAYOUT_FIELDS[layout], codec);
  file.dictionary(ATTRIBUTE_DICTIONARY, attributes);
  file.dictionary(TYPE_DICTIONARY, TYPE_NAMES);
  return file;
}
