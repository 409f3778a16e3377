import { isDatabaseName } from '@pyralog/format';
import { PyralogError } from '@pyralog/model';

/**
 * The root of a server: `http://host:port`, without a slash at the end.
 * @throws usage
 */
export function serverAddress(text: string): string {
  const url = parsed(text);
  if (url.search !== '' || url.hash !== '') throw wrong(text, 'it has a query or a fragment');
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/**
 * The address of one database: `http://host:port/v1/<db>`.
 * @throws usage
 */
export function databaseAddress(text: string): { readonly server: string; readonly name: string } {
  const server = serverAddress(text);
  const match = /^(.*)\/v1\/([^/]+)$/.exec(server);
  const name = match?.[2] ?? '';
  if (match === null || !isDatabaseName(name))
    throw wrong(text, 'it does not end with /v1/<database>');
  return { server: match[1] as string, name };
}

function parsed(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw wrong(text, 'it is not a URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw wrong(text, 'it does not begin with http:// or https://');
  return url;
}

function wrong(text: string, problem: string): PyralogError {
  return new PyralogError(
    'usage',
    `${JSON.stringify(text)} is not the address of a Pyralog server: ${problem}.`,
    {
      hint: 'For example http://127.0.0.1:4000/v1/main.',
    },
  );
}
