/** What cannot be decoded keeps its place, so that it is refused by name. */
export class MalformedText {
  readonly raw: string;

  constructor(raw: string) {
    this.raw = raw;
  }
}

export type QueryValue = string | MalformedText | readonly (string | MalformedText)[];

/**
 * Names and values of a query string, decoded strictly; a name given twice has an array. Never throws: it runs outside of
 * what answers errors.
 */
export function parseQueryString(text: string): Record<string, QueryValue> {
  const query = Object.create(null) as Record<string, QueryValue>;
  if (text === '') return query;
  for (const piece of text.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const name = decoded(equals < 0 ? piece : piece.slice(0, equals));
    const value = equals < 0 ? '' : decoded(piece.slice(equals + 1));
    const key = typeof name === 'string' ? name : name.raw;
    const before = query[key];
    query[key] =
      before === undefined
        ? value
        : Array.isArray(before)
          ? [...(before as string[]), value as string]
          : [before as string, value as string];
  }
  return query;
}

function decoded(text: string): string | MalformedText {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return new MalformedText(text);
  }
}
