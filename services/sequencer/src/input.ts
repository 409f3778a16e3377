import { documentFromArrow } from '@pyralog/arrow';
import type { Codec, Rejection } from '@pyralog/format';
import type { StoredRecord } from '@pyralog/log';
import {
  documentFromJson,
  isPyralogError,
  type Json,
  JsonObject,
  parseDocument,
  parseJson,
  PyralogError,
  type TransactionDocument,
} from '@pyralog/model';
import { type Input, rejectionOf } from '@pyralog/sequencing';

/** Says of a record of an input topic what its value is; without it the topic's setting does. */
export const FORMAT_HEADER = 'pyralog-format';

/**
 * Says of a record with an empty value which object has it: the SHA-256 of the content, hexadecimal, of
 * an object below `claims/` of the database. Logs that know objects take it away when they find that.
 */
export const CLAIM_HEADER = 'pyralog-claim';

/**
 * What a record of an input topic may be. `transaction`: a transaction document. `document`: the key is an
 * entity and the value a JSON object of its attributes, or null to retract the entity. `arrow`: a transaction
 * document as Arrow IPC.
 */
export const INPUT_FORMATS = ['transaction', 'document', 'arrow'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

/**
 * Reads a record that anybody may have written. Never throws of what is in it: what is no transaction is
 * an input as well, whose outcome is the reason.
 * @param codec of compressed Arrow
 */
export function inputOf(record: StoredRecord, byDefault: InputFormat, codec: Codec): Input {
  const { offset } = record;
  try {
    return { kind: 'document', offset, document: documentOf(record, byDefault, codec) };
  } catch (error) {
    if (!isPyralogError(error)) throw error;
    const rejection: Rejection = rejectionOf(error);
    return { kind: 'unreadable', offset, rejection };
  }
}

function documentOf(
  { key, value, headers }: StoredRecord,
  byDefault: InputFormat,
  codec: Codec,
): TransactionDocument {
  if (headers?.[CLAIM_HEADER] !== undefined) {
    throw new PyralogError(
      'document-invalid',
      `The object that the header ${CLAIM_HEADER} names is not there, or is not what it says.`,
      { hint: 'Put the object before the record is sent, under the SHA-256 of its content.' },
    );
  }
  const format = formatOf(headers, byDefault);
  if (format === 'document') return plainDocument(keyOf(key), value);
  if (value === null) {
    throw new PyralogError('document-invalid', 'The record has no value.', {
      hint: `A tombstone retracts an entity where the header ${FORMAT_HEADER} says "document".`,
    });
  }
  return format === 'arrow' ? documentFromArrow(value, codec) : parseDocument(value);
}

function formatOf(headers: StoredRecord['headers'], byDefault: InputFormat): InputFormat {
  const header = headers?.[FORMAT_HEADER];
  if (header === undefined) return byDefault;
  const said = textOf(header, `the header ${FORMAT_HEADER}`);
  const format = INPUT_FORMATS.find((known) => known === said);
  if (format !== undefined) return format;
  throw new PyralogError(
    'document-invalid',
    `The header ${FORMAT_HEADER} says ${JSON.stringify(said.slice(0, 100))}.`,
    { hint: `It may say ${INPUT_FORMATS.join(', ')}.` },
  );
}

/** A plain document as the transaction that it stands for. */
function plainDocument(entity: string, value: Uint8Array | null): TransactionDocument {
  if (value === null) {
    const retract = new JsonObject(['op', 'entity'], ['retractEntity', entity]);
    return documentFromJson(new JsonObject(['ops'], [[retract]]));
  }
  const json = parseJson(value);
  if (!(json instanceof JsonObject)) {
    throw new PyralogError('document-invalid', 'A plain document is an object of attributes.', {
      hint: 'For example {"title":"Relativity"}, with the entity as the key of the record.',
    });
  }
  for (const reserved of ['entity', 'op']) {
    if (json.names.includes(reserved)) {
      throw new PyralogError(
        'document-invalid',
        `A plain document has no attribute ${JSON.stringify(reserved)}: the entity is the key of the record.`,
        {
          hint: `Name it otherwise, or send a transaction document (${FORMAT_HEADER}: transaction).`,
        },
      );
    }
  }
  const operation: Json = new JsonObject(['entity', ...json.names], [entity, ...json.values]);
  return documentFromJson(new JsonObject(['ops'], [[operation]]));
}

function keyOf(key: Uint8Array | undefined): string {
  if (key !== undefined && key.length > 0) return textOf(key, 'the key');
  throw new PyralogError('document-invalid', 'A plain document has the entity as its key.', {
    hint: `Give the record a key, or send a transaction document (${FORMAT_HEADER}: transaction).`,
  });
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array, what: string): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new PyralogError(
      'document-invalid',
      `In ${what} of the record are bytes that are no UTF-8.`,
    );
  }
}
