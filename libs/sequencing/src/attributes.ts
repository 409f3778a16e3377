import {
  type AttributeDefinition,
  inferredDefinition,
  type InputOperation,
  type InputValue,
  nearestName,
  PyralogError,
  type Schema,
  type StoredDefinition,
  TX_NAMESPACE,
} from '@pyralog/model';
import { quoted } from './refusals.ts';

/**
 * The attributes that a document uses: those of the schema, and those that its use declares.
 *
 * Operations have no order, so all uses of an undeclared attribute decide together. Any of them in an array:
 * many values. A typed value (`{"ref":…}`) sets the type; of plain ones json is wider than all, and double than int.
 */
export class Attributes {
  readonly #schema: Schema;
  readonly #operations: readonly InputOperation[];
  #inferred: ReadonlyMap<string, AttributeDefinition> | undefined;

  /** @param schema with the document's own definitions */
  constructor(schema: Schema, operations: readonly InputOperation[]) {
    this.#schema = schema;
    this.#operations = operations;
  }

  /** Declared by first use. */
  get inferred(): readonly AttributeDefinition[] {
    return this.#inferred === undefined ? [] : [...this.#inferred.values()];
  }

  /** Whether an attribute is declared by its use here. */
  isInferred(ident: string): boolean {
    return this.#inferred?.has(ident) === true && this.#schema.attribute(ident) === undefined;
  }

  /**
   * @returns undefined for an attribute that is only retracted: it has no values
   * @throws attribute-unknown in a strict database
   */
  find(ident: string): StoredDefinition | undefined {
    const known = this.#schema.attribute(ident);
    if (known !== undefined) return known;
    this.#inferred ??= infer(this.#schema, this.#operations);
    return this.#inferred.get(ident);
  }
}

interface Use {
  /** Its type is the attribute's. */
  input: InputValue;
  many: boolean;
}

function infer(
  schema: Schema,
  operations: readonly InputOperation[],
): ReadonlyMap<string, AttributeDefinition> {
  const uses = new Map<string, Use>();
  const note = (ident: string, input: InputValue | null, many: boolean): void => {
    if (input === null || schema.attribute(ident) !== undefined) return;
    if (schema.strict && !ident.startsWith(TX_NAMESPACE)) throw unknown(ident, schema);
    const use = uses.get(ident);
    if (use === undefined) uses.set(ident, { input, many });
    else {
      use.many ||= many;
      if (isWider(input, use.input)) use.input = input;
    }
  };
  for (const operation of operations) {
    if (operation.op === 'assert') note(operation.attribute, operation.value, operation.many);
    else if (operation.op === 'cas') {
      note(operation.attribute, operation.old, false);
      note(operation.attribute, operation.new, false);
    }
  }
  return new Map(
    Array.from(uses, ([ident, { input, many }]) => [
      ident,
      inferredDefinition(ident, input.value, many),
    ]),
  );
}

function isWider(a: InputValue, than: InputValue): boolean {
  if (!than.plain) return false;
  return (
    !a.plain ||
    (a.value.type === 'json' && than.value.type !== 'json') ||
    (a.value.type === 'double' && than.value.type === 'int')
  );
}

function unknown(ident: string, schema: Schema): PyralogError {
  const names = Array.from(schema.attributes(), (definition) => definition.ident);
  const nearest = nearestName(ident, names);
  return new PyralogError(
    'attribute-unknown',
    `The attribute ${quoted(ident)} is not defined, and the database is strict.`,
    {
      hint:
        nearest === undefined
          ? 'Define the attribute first.'
          : `Define the attribute first, or did you mean ${quoted(nearest)}?`,
      extra: { attribute: ident },
    },
  );
}
