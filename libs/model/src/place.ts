import { PyralogError } from './errors.ts';
import { shortened } from './json-print.ts';

/**
 * Where a reader is in a document. Kept as parts and put together only for a message, since documents without
 * mistakes are the ones that must be fast.
 */
export class Place {
  #section = '';
  #index = -1;
  #field = '';
  #item = -1;

  /** `meta`, or `ops[3]` with an index. */
  enter(section: string, index = -1): void {
    this.#section = section;
    this.#index = index;
    this.at('');
  }

  /** `.value` under the section, or `.email[1]` with an item. */
  at(field: string, item = -1): void {
    this.#field = field;
    this.#item = item;
  }

  /** In a map form the field is a name of any length, with any characters. */
  toString(): string {
    const section = this.#index < 0 ? this.#section : `${this.#section}[${this.#index}]`;
    const name = JSON.stringify(shortened(this.#field)).slice(1, -1);
    const field = this.#item < 0 ? name : `${name}[${this.#item}]`;
    return section !== '' && field !== '' ? `${section}.${field}` : section + field;
  }

  /** The same error, saying where it is. */
  locate(error: PyralogError): PyralogError {
    const path = this.toString();
    if (path === '') return error;
    return new PyralogError(error.code, `${path}: ${error.message}`, {
      hint: error.hint,
      extra: { ...error.extra, path },
      cause: error.cause,
    });
  }
}
