import { PyralogError } from './errors.ts';
import { shortened } from './json-print.ts';
import { type Json, JsonNumber, JsonObject } from './json-tree.ts';
import { nearestName } from './nearest.ts';

/** @throws document-invalid for the first name that is not among the fields */
export function refuseOthers(json: JsonObject, fields: readonly string[]): void {
  for (const name of json.names) {
    if (fields.includes(name)) continue;
    const nearest = nearestName(name, fields);
    throw invalid(
      `There is no field ${JSON.stringify(shortened(name))} here.`,
      nearest === undefined
        ? `The fields are ${fields.map((field) => `"${field}"`).join(', ')}.`
        : `Did you mean "${nearest}"?`,
    );
  }
}

/** @throws document-invalid where the field is missing or no string */
export function textField(json: JsonObject, name: string): string {
  const value = json.get(name);
  if (typeof value === 'string') return value;
  throw value === undefined
    ? invalid(`The field "${name}" is missing.`)
    : invalid(`"${name}" is a string, not ${kindOf(value)}.`);
}

export function invalid(detail: string, hint?: string): PyralogError {
  return new PyralogError('document-invalid', detail, { hint });
}

export function kindOf(json: Json): string {
  if (json === null) return 'null';
  if (typeof json === 'string') return 'a string';
  if (typeof json === 'boolean') return 'a boolean';
  if (json instanceof JsonNumber) return 'a number';
  return json instanceof JsonObject ? 'an object' : 'an array';
}
