import { PyralogError } from '@pyralog/model';

/** Where a Redis is. */
export interface RedisAddress {
  /** `redis://host:port/database`, without who signs in: part of sentences. */
  readonly name: string;
  readonly options: AddressOptions;
}

/** As ioredis takes it. */
export interface AddressOptions {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: Record<string, never>;
}

/** Databases of a Redis are numbered, and a connection is in one of them. */
const DATABASE = /^(?:\/([0-9]{1,5})?)?$/;
const PORT = 6379;

/**
 * Reads `redis://[name:password@]host[:port][/database]`; `rediss://` over TLS.
 * @throws parameter-invalid, whose text holds no password
 */
export function redisAddress(url: string): RedisAddress {
  const address = parse(url);
  if (address !== undefined) return address;
  throw new PyralogError('parameter-invalid', 'The address of Redis is not one.', {
    hint: 'Write it as redis://host:6379, with a name and a password as redis://name:password@host.',
  });
}

function parse(url: string): RedisAddress | undefined {
  if (!URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  const { protocol, hostname, port, pathname, search } = parsed;
  const database = DATABASE.exec(pathname);
  if (hostname === '' || search !== '' || database === null) return undefined;
  if (protocol !== 'redis:' && protocol !== 'rediss:') return undefined;
  const username = decoded(parsed.username);
  const password = decoded(parsed.password);
  if (username === undefined || password === undefined) return undefined;
  const options = {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? PORT : Number(port),
    db: Number(database[1] ?? 0),
  };
  return {
    name: `${protocol}//${hostname}:${options.port}/${options.db}`,
    options: {
      ...options,
      ...(username === '' ? {} : { username }),
      ...(password === '' ? {} : { password }),
      ...(protocol === 'rediss:' ? { tls: {} } : {}),
    },
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
