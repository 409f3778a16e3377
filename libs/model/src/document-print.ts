import { printValue } from './value-json.ts';
import type {
  InputCondition,
  InputOperation,
  InputValue,
  TransactionDocument,
} from './document.ts';
import { formatNanos } from './instant.ts';

/**
 * JSON text of a document, which {@link parseDocument} reads back to the same operations. Values written in
 * an array are printed in the map form, which is the only one that has arrays.
 */
export function printDocument(
  document: Omit<TransactionDocument, 'contentHash' | 'operationsWritten'>,
): string {
  const fields: string[] = [];
  if (document.id !== undefined) fields.push(`"id":${JSON.stringify(document.id)}`);
  if (document.meta.length > 0) fields.push(`"meta":{${printMeta(document.meta).join(',')}}`);
  if (document.conditions.length > 0)
    fields.push(`"if":[${document.conditions.map(printCondition).join(',')}]`);
  fields.push(`"ops":[${document.operations.map(printOperation).join(',')}]`);
  if (document.at !== undefined) fields.push(`"at":"${formatNanos(document.at)}"`);
  return `{${fields.join(',')}}`;
}

/** One operation as it stands in `ops`. */
export function printOperation(operation: InputOperation): string {
  const entity = `"entity":${JSON.stringify(operation.entity)}`;
  if (operation.op === 'retractEntity') return `{"op":"retractEntity",${entity}}`;
  const { op } = operation;
  if (op === 'assert' && operation.many)
    return `{${entity},${JSON.stringify(`:${operation.attribute}`)}:[${printInput(operation.value)}]}`;
  const head = `{"op":"${op}",${entity},"attribute":${JSON.stringify(operation.attribute)}`;
  if (op === 'cas')
    return `${head},"old":${printSide(operation.old)},"new":${printSide(operation.new)}}`;
  return operation.value === undefined
    ? `${head}}`
    : `${head},"value":${printInput(operation.value)}}`;
}

function printMeta(meta: TransactionDocument['meta']): string[] {
  const fields = new Map<string, string[]>();
  const many = new Set<string>();
  for (const each of meta) {
    const values = fields.get(each.attribute) ?? [];
    values.push(printInput(each.value));
    fields.set(each.attribute, values);
    if (each.many || values.length > 1) many.add(each.attribute);
  }
  return [...fields].map(
    ([attribute, values]) =>
      `${JSON.stringify(attribute)}:${many.has(attribute) ? `[${values.join(',')}]` : (values[0] ?? 'null')}`,
  );
}

function printCondition(condition: InputCondition): string {
  const entity = `"entity":${JSON.stringify(condition.entity)}`;
  if (condition.kind === 'entityAbsent') return `{${entity},"absent":true}`;
  const attribute =
    condition.attribute === undefined ? '' : `,"attribute":${JSON.stringify(condition.attribute)}`;
  if (condition.kind === 'unchangedSince')
    return `{${entity}${attribute},"unchangedSince":"${condition.since}"}`;
  return `{${entity}${attribute},"is":[${condition.values.map(printInput).join(',')}]}`;
}

function printSide(value: InputValue | null): string {
  return value === null ? 'null' : printInput(value);
}

/** A plain json value is its own text; every other form says its type as answers do. */
function printInput({ value, plain }: InputValue): string {
  if (!plain && value.type === 'int') return `{"int":"${value.value}"}`;
  if (!plain && value.type === 'double')
    return `{"double":${Number.isFinite(value.value) ? printValue(value) : `"${value.value}"`}}`;
  if (plain && (value.type === 'json' || value.type === 'int')) return String(value.value);
  return printValue(value);
}
