import type { InputOperation, InputValue } from './document.ts';
import { invalid, kindOf, refuseOthers } from './document-fields.ts';
import {
  checkEntityRetractable,
  checkReservedValue,
  checkRetractable,
  checkWritable,
  isReservedAttribute,
} from './document-rules.ts';
import {
  ATTRIBUTE_ENTITY_PREFIX,
  checkAttribute,
  checkEntityOrTemporary,
  isTemporaryId,
  OWN_TX_ENTITY,
} from './entity.ts';
import { PyralogError } from './errors.ts';
import { shortened } from './json-print.ts';
import { type Json, JsonObject } from './json-tree.ts';
import { nearestName } from './nearest.ts';
import type { Place } from './place.ts';
import { inputValue } from './value-json.ts';

interface Attribute {
  readonly name: string;
  readonly reserved: boolean;
}

/** Where the fields of an operation stand in objects with one list of names; -1: absent. */
interface Layout {
  readonly names: readonly string[];
  readonly op: number;
  readonly entity: number;
  readonly attribute: number;
  readonly value: number;
}

/** Fields by operation; only the `value` of a retract may be left out. */
const FIELDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['assert', ['op', 'entity', 'attribute', 'value']],
  ['retract', ['op', 'entity', 'attribute', 'value']],
  ['retractEntity', ['op', 'entity']],
  ['cas', ['op', 'entity', 'attribute', 'old', 'new']],
]);

/**
 * Reads the operations of one document. Operations beside each other mostly have the same fields, the same entity
 * and few attributes, so what was found out about these is kept.
 */
export class OperationReader {
  readonly #place: Place;
  readonly #operations: InputOperation[] = [];
  readonly #attributes = new Map<string, Attribute>();
  readonly #temporaryEntities = new Set<string>();
  readonly #temporaryRefs = new Map<string, string>();
  #layout: Layout = { names: [], op: -1, entity: -1, attribute: -1, value: -1 };
  #entity = '';
  #entityReserved = false;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Takes one row of `ops`; its errors are located by the place. */
  read(json: Json): void {
    if (!(json instanceof JsonObject))
      throw invalid(`An operation is an object, not ${kindOf(json)}.`);
    const layout = this.#layoutOf(json.names);
    if (layout.op < 0) this.#readMap(json, layout);
    else this.#readOperation(json, layout);
  }

  /** @throws document-invalid where a ref names a temporary id that nothing is said about */
  finish(): readonly InputOperation[] {
    for (const [id, path] of this.#temporaryRefs) {
      if (this.#temporaryEntities.has(id)) continue;
      const nearest = nearestName(id, this.#temporaryEntities);
      this.#place.enter('');
      throw new PyralogError(
        'document-invalid',
        `${path}: The temporary id ${quoted(id)} is referred to, but no operation is about it.`,
        {
          hint:
            nearest === undefined
              ? 'Assert something about it in the same document.'
              : `Did you mean ${quoted(nearest)}?`,
          extra: { path },
        },
      );
    }
    return this.#operations;
  }

  #layoutOf(names: readonly string[]): Layout {
    if (names === this.#layout.names) return this.#layout;
    const at = (name: string): number => names.indexOf(name);
    return (this.#layout = {
      names,
      op: at('op'),
      entity: at('entity'),
      attribute: at('attribute'),
      value: at('value'),
    });
  }

  #readOperation(json: JsonObject, layout: Layout): void {
    const op = json.values[layout.op];
    if (op === 'assert' && json.values.length === 4 && layout.value >= 0 && layout.attribute >= 0) {
      const entity = this.#readEntity(json, layout);
      const { name, reserved } = this.#readAttribute(json, layout);
      this.#place.at('value');
      this.#assert(entity, name, reserved, json.values[layout.value] as Json, false);
      return;
    }
    this.#readRarer(json, layout, op);
  }

  #readRarer(json: JsonObject, layout: Layout, op: Json | undefined): void {
    this.#place.at('op');
    const fields = typeof op === 'string' ? FIELDS.get(op) : undefined;
    if (fields === undefined) throw unknownOperation(op as Json);
    this.#place.at('');
    refuseOthers(json, fields);
    const entity = this.#readEntity(json, layout);
    if (op === 'retractEntity') {
      checkEntityRetractable(entity);
      this.#operations.push({ op, entity });
      return;
    }
    const { name: attribute } = this.#readAttribute(json, layout);
    if (op === 'cas') return this.#readCas(json, entity, attribute);
    if (op === 'assert') throw this.#missing('value');
    checkRetractable(entity);
    this.#place.at('value');
    const value =
      layout.value < 0
        ? undefined
        : this.#input(
            json.values[layout.value] as Json,
            'To retract every value leave "value" out.',
          );
    this.#operations.push({ op: 'retract', entity, attribute, value });
  }

  #readCas(json: JsonObject, entity: string, attribute: string): void {
    const side = (name: 'old' | 'new'): InputValue | null => {
      const value = json.get(name);
      if (value === undefined) throw this.#missing(name, 'Null stands for the absence of a value.');
      this.#place.at(name);
      return value === null ? null : this.#input(value);
    };
    const old = side('old');
    const next = side('new');
    if (next === null) checkRetractable(entity);
    else if (isReservedAttribute(attribute)) checkReservedValue(entity, attribute, next);
    this.#operations.push({ op: 'cas', entity, attribute, old, new: next });
  }

  /** `{"entity":…, attribute: value, …}`: an array is many values, null retracts. */
  #readMap(json: JsonObject, layout: Layout): void {
    if (layout.entity < 0)
      throw this.#missing(
        'entity',
        'An operation has "op" and "entity"; the map form has "entity" and attributes.',
      );
    if (json.names.length === 1)
      throw invalid(
        'The map form names no attribute.',
        'To retract the whole entity add "op":"retractEntity".',
      );
    if (layout.attribute >= 0 && (layout.value >= 0 || json.has('old') || json.has('new'))) {
      throw invalid(
        'The field "op" is missing.',
        'It is "assert", "retract" or "cas". Attributes of the names "attribute" and "value" are written as ":attribute" and ":value" in the map form.',
      );
    }
    const entity = this.#readEntity(json, layout);
    for (let i = 0; i < json.names.length; i++) {
      if (i === layout.entity) continue;
      const written = json.names[i] as string;
      this.#place.at(written);
      const { name, reserved } = this.#attribute(written);
      if (reserved || this.#entityReserved) checkWritable(entity, name);
      const value = json.values[i] as Json;
      if (value === null) {
        checkRetractable(entity);
        this.#operations.push({ op: 'retract', entity, attribute: name, value: undefined });
      } else if (Array.isArray(value)) {
        value.forEach((each: Json, item) => {
          this.#place.at(written, item);
          this.#assert(entity, name, reserved, each, true);
        });
      } else {
        this.#assert(entity, name, reserved, value, false);
      }
    }
  }

  #assert(entity: string, attribute: string, reserved: boolean, json: Json, many: boolean): void {
    const value = this.#input(
      json,
      'To retract the values use "op":"retract", or null in the map form.',
    );
    if (reserved) checkReservedValue(entity, attribute, value);
    this.#operations.push({ op: 'assert', entity, attribute, value, many });
  }

  #input(json: Json, hintForNull?: string): InputValue {
    if (json === null && hintForNull !== undefined)
      throw new PyralogError('value-invalid', 'Null is not a value.', { hint: hintForNull });
    const input = inputValue(json);
    const { value, plain } = input;
    if (
      !plain &&
      value.type === 'ref' &&
      isTemporaryId(value.value) &&
      value.value !== OWN_TX_ENTITY &&
      !this.#temporaryRefs.has(value.value)
    ) {
      this.#temporaryRefs.set(value.value, String(this.#place));
    }
    return input;
  }

  #readEntity(json: JsonObject, layout: Layout): string {
    const entity = json.values[layout.entity];
    if (entity === this.#entity && entity !== '') return entity;
    this.#place.at('');
    if (entity === undefined) throw this.#missing('entity');
    this.#place.at('entity');
    if (typeof entity !== 'string')
      throw invalid(`An entity id is a string, not ${kindOf(entity)}.`);
    checkEntityOrTemporary(entity);
    if (isTemporaryId(entity)) this.#temporaryEntities.add(entity);
    this.#entityReserved = entity.startsWith(ATTRIBUTE_ENTITY_PREFIX);
    return (this.#entity = entity);
  }

  /** The attribute of an operation, and whether the operation may touch it. */
  #readAttribute(json: JsonObject, layout: Layout): Attribute {
    const written = json.values[layout.attribute];
    if (written === undefined)
      throw this.#missing(
        'attribute',
        json.values[layout.op] === 'retract'
          ? 'To retract the whole entity use "op":"retractEntity".'
          : undefined,
      );
    this.#place.at('attribute');
    if (typeof written !== 'string')
      throw invalid(`An attribute is a string, not ${kindOf(written)}.`);
    const attribute = this.#attribute(written);
    if (attribute.reserved || this.#entityReserved) checkWritable(this.#entity, attribute.name);
    return attribute;
  }

  #attribute(written: string): Attribute {
    const known = this.#attributes.get(written);
    if (known !== undefined) return known;
    const name = checkAttribute(written);
    const attribute = { name, reserved: isReservedAttribute(name) };
    this.#attributes.set(written, attribute);
    return attribute;
  }

  #missing(field: string, hint?: string): PyralogError {
    this.#place.at('');
    return invalid(`The field "${field}" is missing.`, hint);
  }
}

function unknownOperation(op: Json): PyralogError {
  if (typeof op !== 'string')
    return invalid(`An operation is named by a string, not ${kindOf(op)}.`, MAP_HINT);
  const nearest = nearestName(op, FIELDS.keys());
  const names = [...FIELDS.keys()].map((name) => `"${name}"`).join(', ');
  return invalid(
    `There is no operation ${quoted(op)}.`,
    `${nearest === undefined ? `The operations are ${names}.` : `Did you mean "${nearest}"?`} ${MAP_HINT}`,
  );
}

const MAP_HINT = 'An attribute of the name "op" is written as ":op" in the map form.';

function quoted(text: string): string {
  return JSON.stringify(shortened(text));
}
