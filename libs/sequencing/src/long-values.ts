import { must } from '@pyralog/base';
import {
  blobOf,
  coerceValue,
  type InputValue,
  isLongValue,
  type StoredDefinition,
  isReference,
  type StoredFact,
  type StoredValue,
  type TransactionDocument,
  type ValueBlob,
} from '@pyralog/model';

/** Content of blobs by SHA-256, hexadecimal. */
export type Contents = ReadonlyMap<string, Uint8Array>;

/** Where there are none. */
export const NO_CONTENTS: Contents = new Map();

/**
 * The long values of a document as it was written, for who sent it: those of another type than their attribute's
 * (bytes as text) are not the ones that are stored.
 */
export function longValuesOf({ operations, meta }: TransactionDocument): Contents {
  const contents = new Map<string, Uint8Array>();
  const note = (input: InputValue | null | undefined): void => {
    const blob = input === null || input === undefined ? undefined : blobOf(input.value);
    if (blob !== undefined) contents.set(blob.reference.sha256, blob.content);
  };
  for (const operation of operations) {
    if (operation.op === 'assert') note(operation.value);
    else if (operation.op === 'cas') note(operation.new);
  }
  for (const { value } of meta) note(value);
  return contents;
}

/**
 * Makes what writers give into values as they are stored. What is hashed hangs on the type of its attribute, so
 * documents keep their values whole until one is asked for; each is hashed once, however often that is.
 */
export class LongValues {
  readonly #known = new WeakMap<InputValue, ValueBlob>();
  #contents: Map<string, Uint8Array> | undefined;

  /**
   * @param definition undefined: of an attribute that nobody has used
   * @throws type-mismatch
   */
  stored(input: InputValue, definition: StoredDefinition | undefined): StoredValue {
    const value = definition === undefined ? input.value : coerceValue(input, definition);
    if (!isLongValue(value)) return value;
    let blob = this.#known.get(input);
    if (blob?.reference.type !== value.type) {
      blob = must(blobOf(value), 'a long value is a blob');
      this.#known.set(input, blob);
    }
    const { reference, content } = blob;
    this.#contents ??= new Map();
    this.#contents.set(reference.sha256, content);
    return reference;
  }

  /** The content of the values that these facts assert, of all that were asked for since the last call. */
  contentsOf(facts: readonly StoredFact[]): Contents {
    const contents = this.#contents;
    this.#contents = undefined;
    if (contents === undefined) return NO_CONTENTS;
    const asserted = new Map<string, Uint8Array>();
    for (const { value, operation } of facts) {
      if (operation === 'retract' || !isReference(value)) continue;
      const { sha256 } = value;
      asserted.set(sha256, must(contents.get(sha256), 'what is asserted was given'));
    }
    return asserted;
  }
}
