import {
  formatValue,
  isReference,
  PyralogError,
  shortened,
  type StoredValue,
} from '@pyralog/model';

/** A name in a message, in quotes and cut to a readable length. */
export function quoted(name: string): string {
  return JSON.stringify(shortened(name));
}

/** Values in a message, cut to a readable length. */
export function shown(values: readonly StoredValue[]): string {
  if (values.length === 0) return 'absent';
  const text = values
    .slice(0, 3)
    .map((value) => JSON.stringify(shortened(textOf(value))))
    .join(', ');
  return values.length > 3 ? `${text}, … (${values.length})` : text;
}

/** The operations of one transaction contradict each other. */
export function contradiction(entity: string, attribute: string, what: string): PyralogError {
  return new PyralogError(
    'facts-conflict',
    `The operations on ${quoted(attribute)} of ${quoted(entity)} contradict each other: ${what}.`,
    {
      hint: 'Operations of one transaction have no order: each sees the state before it.',
      extra: { entity, attribute },
    },
  );
}

/** Canonical text; of a blob its beginning, which is longer than what is shown. */
function textOf(value: StoredValue): string {
  if (!isReference(value)) return formatValue(value);
  const { prefix } = value;
  return typeof prefix === 'string' ? prefix : formatValue({ type: 'bytes', value: prefix });
}
