import { createHash } from 'node:crypto';
import { utf8Length } from '@pyralog/base';
import { checkAttribute, checkEntity } from './entity.ts';
import type {
  InputCondition,
  InputOperation,
  InputValue,
  TransactionDocument,
} from './document.ts';
import { invalid, kindOf, refuseOthers, textField } from './document-fields.ts';
import { checkMetaValue, metaAttribute } from './document-rules.ts';
import { isPyralogError, PyralogError } from './errors.ts';
import { readInstant } from './instant.ts';
import { parseJson } from './json.ts';
import { canonicalTypedJson, shortened } from './json-print.ts';
import { type Json, JsonObject } from './json-tree.ts';
import { CONDITIONS_MAX, DOCUMENT_BYTES_MAX, KEY_BYTES_MAX, OPERATIONS_MAX } from './limits.ts';
import { OperationReader } from './operation-reader.ts';
import { Place } from './place.ts';
import { parseTx, TX_LAST } from './tx.ts';
import { inputValue } from './value-json.ts';

/**
 * Reads and checks a transaction document as completely as can be done without the state of the database: form, names, limits,
 * values, and what is reserved. Messages begin with the place (`ops[3].value: …`), which is also `extra.path`.
 * @param source UTF-8 or text
 * @throws json-malformed, document-invalid, entity-invalid, attribute-invalid, value-invalid, value-too-large,
 * transaction-too-large, import-time-invalid; of what is reserved also type-mismatch, schema-invalid, schema-change-refused
 */
export function parseDocument(source: Uint8Array | string): TransactionDocument {
  const bytes = typeof source === 'string' ? utf8Length(source) : source.length;
  if (bytes > DOCUMENT_BYTES_MAX) {
    throw new PyralogError(
      'transaction-too-large',
      `The document has ${bytes} bytes. The limit is ${DOCUMENT_BYTES_MAX} bytes (64 MiB).`,
      {
        hint: 'Split it into several transactions.',
        extra: { limit: DOCUMENT_BYTES_MAX, given: bytes },
      },
    );
  }
  return documentFromJson(parseJson(source));
}

/** As {@link parseDocument}, of JSON that was read before. */
export function documentFromJson(json: Json): TransactionDocument {
  const place = new Place();
  try {
    return readDocument(json, place);
  } catch (error) {
    if (isPyralogError(error)) throw place.locate(error);
    throw error;
  }
}

const FIELDS = ['id', 'meta', 'if', 'ops', 'at'];

function readDocument(json: Json, place: Place): TransactionDocument {
  if (!(json instanceof JsonObject))
    throw invalid(
      `A transaction document is an object, not ${kindOf(json)}.`,
      'The smallest one is {"ops":[]}.',
    );
  refuseOthers(json, FIELDS);
  place.enter('id');
  const id = readId(json.get('id'));
  const meta = readMeta(json.get('meta'), place);
  const conditions = readConditions(json.get('if'), place);
  place.enter('');
  const ops = json.get('ops');
  if (ops === undefined)
    throw invalid(
      'The field "ops" is missing.',
      'A transaction that writes nothing but its meta has "ops":[].',
    );
  const operations = readOperations(ops, place);
  place.enter('at');
  const at = readAt(json.get('at'));
  const contentHash = id === undefined ? '' : contentHashOf(json);
  return {
    id,
    meta,
    conditions,
    operations,
    operationsWritten: (ops as readonly Json[]).length,
    at,
    contentHash,
  };
}

function contentHashOf(json: JsonObject): string {
  const kept = json.names
    .map((name, at) => ({ name, value: json.values[at] as Json }))
    .filter(({ name }) => name !== 'id');
  const content = new JsonObject(
    kept.map(({ name }) => name),
    kept.map(({ value }) => value),
  );
  return createHash('sha256').update(canonicalTypedJson(content), 'utf8').digest('hex');
}

function readId(json: Json | undefined): string | undefined {
  if (json === undefined) return undefined;
  if (typeof json !== 'string')
    throw invalid(`An idempotency key is a string, not ${kindOf(json)}.`);
  if (json === '')
    throw invalid('The idempotency key is empty.', 'Leave "id" out for a transaction without one.');
  const bytes = utf8Length(json);
  if (bytes <= KEY_BYTES_MAX) return json;
  throw new PyralogError(
    'document-invalid',
    `The idempotency key has ${bytes} bytes. The limit is ${KEY_BYTES_MAX} bytes.`,
    { extra: { limit: KEY_BYTES_MAX, given: bytes } },
  );
}

function readMeta(json: Json | undefined, place: Place): TransactionDocument['meta'] {
  place.enter('meta');
  if (json === undefined) return [];
  if (!(json instanceof JsonObject))
    throw invalid(
      `The meta facts are an object, not ${kindOf(json)}.`,
      'For example {"author":"user:alice","reason":"typo"}.',
    );
  const meta: { attribute: string; value: InputValue; many: boolean }[] = [];
  const attributes = new Set<string>();
  json.names.forEach((name, i) => {
    place.at(name);
    const attribute = metaAttribute(name);
    // Another spelling of one name is a double name as well: which of the two is meant?
    if (attributes.has(attribute))
      throw invalid(`The attribute ${JSON.stringify(shortened(attribute))} stands twice.`);
    attributes.add(attribute);
    const value = json.values[i] as Json;
    if (!Array.isArray(value)) {
      meta.push({ attribute, value: checkMetaValue(attribute, inputValue(value)), many: false });
      return;
    }
    value.forEach((each: Json, item) => {
      place.at(name, item);
      meta.push({ attribute, value: checkMetaValue(attribute, inputValue(each)), many: true });
    });
  });
  return meta;
}

function readOperations(json: Json, place: Place): readonly InputOperation[] {
  place.enter('ops');
  const ops = list(json, 'The operations are', OPERATIONS_MAX, 'operations');
  const reader = new OperationReader(place);
  for (let i = 0; i < ops.length; i++) {
    place.enter('ops', i);
    reader.read(ops[i] as Json);
  }
  place.enter('ops');
  return reader.finish();
}

function list(json: Json, subject: string, limit: number, what: string): readonly Json[] {
  if (!Array.isArray(json)) throw invalid(`${subject} an array, not ${kindOf(json)}.`);
  const rows = json as readonly Json[];
  if (rows.length <= limit) return rows;
  throw new PyralogError(
    'transaction-too-large',
    `The transaction has ${rows.length} ${what}. The limit is ${limit}.`,
    {
      hint: 'Split it into several transactions.',
      extra: { limit, given: rows.length },
    },
  );
}

const CONDITION_FIELDS = ['entity', 'attribute', 'is', 'absent', 'unchangedSince'];
const KINDS_HINT = 'A condition has one of "is", "absent" and "unchangedSince".';

function readConditions(json: Json | undefined, place: Place): readonly InputCondition[] {
  place.enter('if');
  if (json === undefined) return [];
  return list(json, 'The conditions are', CONDITIONS_MAX, 'conditions').map((row, i) => {
    place.enter('if', i);
    return readCondition(row, place);
  });
}

function readCondition(json: Json, place: Place): InputCondition {
  if (!(json instanceof JsonObject))
    throw invalid(`A condition is an object, not ${kindOf(json)}.`, KINDS_HINT);
  refuseOthers(json, CONDITION_FIELDS);
  place.at('entity');
  const entity = checkEntity(textField(json, 'entity'));
  place.at('attribute');
  const attribute = json.has('attribute')
    ? checkAttribute(textField(json, 'attribute'))
    : undefined;
  place.at('');
  const kinds = json.names.filter((name) => name !== 'entity' && name !== 'attribute');
  if (kinds.length !== 1)
    throw invalid(
      kinds.length === 0
        ? 'The condition does not say what must hold.'
        : 'The condition says more than one thing.',
      KINDS_HINT,
    );
  const kind = kinds[0] as string;
  const content = json.get(kind) as Json;
  if (kind === 'is' && attribute === undefined)
    throw invalid('A condition with "is" names an attribute.');
  place.at(kind);
  if (kind === 'is')
    return {
      kind: 'is',
      entity,
      attribute: attribute as string,
      values: readExpected(content, place),
    };
  if (kind === 'absent') {
    if (content !== true)
      throw invalid(
        'The only value of "absent" is true.',
        'For the contrary compare with "is", or name a tx with "unchangedSince".',
      );
    return attribute === undefined
      ? { kind: 'entityAbsent', entity }
      : { kind: 'is', entity, attribute, values: [] };
  }
  const since = typeof content === 'string' ? parseTx(content) : undefined;
  if (since === undefined)
    throw invalid(
      '"unchangedSince" is a tx, a decimal number in quotes.',
      'It stands in the answer to a transaction and in the basis of a read.',
    );
  return { kind: 'unchangedSince', entity, attribute, since };
}

/** Null: absent. An array: exactly these values. */
function readExpected(json: Json, place: Place): readonly InputValue[] {
  if (json === null) return [];
  if (!Array.isArray(json)) return [inputValue(json)];
  return json.map((each: Json, item) => {
    place.at('is', item);
    return inputValue(each);
  });
}

function readAt(json: Json | undefined): bigint | undefined {
  if (json === undefined) return undefined;
  const form = 'A commit time is an RFC 3339 text with up to nine decimals';
  if (typeof json !== 'string')
    throw invalid(`${form}, not ${kindOf(json)}.`, 'For example "2020-01-31T12:00:00Z".');
  const reading = readInstant(json);
  if (reading.problem !== undefined)
    throw invalid(
      `${JSON.stringify(shortened(json))} is not a commit time: ${reading.problem}.`,
      `${form}, for example "2020-01-31T12:00:00Z".`,
    );
  if (reading.nanos >= 0n && reading.nanos <= TX_LAST) return reading.nanos;
  throw new PyralogError(
    'import-time-invalid',
    `A commit time lies between 1970 and 2262; ${JSON.stringify(json)} does not.`,
    { hint: 'Keep an older date as a fact of type instant.' },
  );
}
