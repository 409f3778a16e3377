import { utf8Decode, utf8Encode } from '@pyralog/base';
import {
  type InputCondition,
  type InputOperation,
  parseDocument,
  printDocument,
  PyralogError,
  type StoredDefinition,
} from '@pyralog/model';
import type { Release, Take } from './claims.ts';

/**
 * What one partition does of a transaction. Entities have their final names, but the transaction's own: its tx is not
 * known before it is decided, so it is called after its start.
 */
export interface PartWork {
  readonly conditions: readonly InputCondition[];
  readonly operations: readonly InputOperation[];
  /** Attributes that are used here and exist, as the coordinator knows them: who does not know one yet takes it over. */
  readonly known: readonly StoredDefinition[];
  /** What the first use of attributes declares. */
  readonly declared: readonly StoredDefinition[];
  /** Where the schema is at home: attributes that must not exist. */
  readonly absent: readonly string[];
  /** Unique values that are taken, at their home. */
  readonly takes: readonly Take[];
  /** Unique values that are given up, at their home. */
  readonly releases: readonly Release[];
}

/** Nothing to do. */
export const NO_WORK: PartWork = {
  conditions: [],
  operations: [],
  known: [],
  declared: [],
  absent: [],
  takes: [],
  releases: [],
};

/** As it stands in records and messages: JSON, conditions and operations in it as the text of a document. */
export function encodeWork({ conditions, operations, ...rest }: Partial<PartWork>): Uint8Array {
  const document = printDocument({
    id: undefined,
    at: undefined,
    meta: [],
    conditions: conditions ?? [],
    operations: operations ?? [],
  });
  return utf8Encode(JSON.stringify({ document, ...rest }));
}

type Printed = Partial<Omit<PartWork, 'conditions' | 'operations'>> & {
  readonly document: string;
};

/** What {@link encodeWork} wrote. @throws object-damaged */
export function decodeWork(bytes: Uint8Array): PartWork {
  try {
    const { document, ...rest } = JSON.parse(utf8Decode(bytes)) as Printed;
    const { conditions, operations } = parseDocument(document);
    return { ...NO_WORK, ...rest, conditions, operations };
  } catch (error) {
    throw new PyralogError('object-damaged', 'A part of a transaction cannot be read.', {
      cause: error,
    });
  }
}
