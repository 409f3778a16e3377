/**
 * Who may import whom, and which third-party packages where. The house rules of the code base: the checks
 * beside this file read nothing else. A new package needs a line here.
 */
export interface LayerRow {
  /** Folder of the package. */
  readonly dir: string;
  /** Packages of this repository that it may import. */
  readonly internal: readonly string[];
  readonly thirdParty: readonly string[];
  readonly reach: Reach;
}

/**
 * What a package knows of the world. `pure`: nothing, answers depend on arguments alone. `ports`: what
 * ports tell it, so that a simulation holds all of it. `world`: everything, since it is what the ports
 * stand for: adapters, the shell kit, the command line.
 */
type Reach = 'pure' | 'ports' | 'world';

const row = (dir: string, reach: Reach, internal: string, thirdParty = ''): LayerRow => ({
  dir,
  internal: internal.split(' ').filter((name) => name !== ''),
  thirdParty: thirdParty.split(' ').filter((name) => name !== ''),
  reach,
});

export const LAYERS: Readonly<Record<string, LayerRow>> = {
  // L0 to L3.
  '@pyralog/base': row('libs/base', 'pure', ''),
  '@pyralog/model': row('libs/model', 'pure', '@pyralog/base'),
  '@pyralog/format': row(
    'libs/format',
    'pure',
    '@pyralog/base @pyralog/model',
    'apache-arrow flatbuffers @toondepauw/node-zstd @bokuweb/zstd-wasm',
  ),
  '@pyralog/sequencing': row(
    'libs/sequencing',
    'pure',
    '@pyralog/base @pyralog/model @pyralog/format',
  ),
  '@pyralog/indexing': row('libs/indexing', 'pure', '@pyralog/base @pyralog/model @pyralog/format'),
  '@pyralog/arrow': row(
    'libs/arrow',
    'pure',
    '@pyralog/base @pyralog/model @pyralog/format',
    'apache-arrow flatbuffers',
  ),
  '@pyralog/feed': row('libs/feed', 'pure', '@pyralog/base @pyralog/model @pyralog/format'),
  // L4: ports, adapters, and what drives the cores through them.
  '@pyralog/log': row(
    'libs/log',
    'world',
    '@pyralog/base @pyralog/model',
    'kafkajs fzstd lz4-napi snappy',
  ),
  '@pyralog/objects': row(
    'libs/objects',
    'world',
    '@pyralog/base @pyralog/model',
    '@aws-sdk/client-s3',
  ),
  '@pyralog/redis': row('libs/redis', 'world', '@pyralog/base @pyralog/model', 'ioredis'),
  '@pyralog/jobs': row(
    'libs/jobs',
    'world',
    '@pyralog/base @pyralog/model @pyralog/redis',
    'bullmq ioredis',
  ),
  '@pyralog/views': row(
    'libs/views',
    'world',
    '@pyralog/base @pyralog/model @pyralog/redis',
    'ioredis',
  ),
  '@pyralog/runtime': row('libs/runtime', 'world', '@pyralog/base @pyralog/model', 'tsx'),
  '@pyralog/client': row(
    'libs/client',
    'world',
    '@pyralog/base @pyralog/model @pyralog/format',
    'eventsource-parser',
  ),
  '@pyralog/reading': row(
    'libs/reading',
    'ports',
    '@pyralog/base @pyralog/model @pyralog/format @pyralog/indexing @pyralog/feed @pyralog/objects @pyralog/client @pyralog/runtime',
  ),
  // What tests of whole processes run on instead of the world. Nothing that is shipped imports it; it reaches the
  // world for one thing, the turn of the event loop behind which all code that can run has run.
  '@pyralog/sim': row(
    'libs/sim',
    'world',
    '@pyralog/base @pyralog/model @pyralog/log @pyralog/objects @pyralog/runtime',
  ),
  // L5: one process role each.
  '@pyralog/service-sequencer': row(
    'services/sequencer',
    'ports',
    '@pyralog/base @pyralog/model @pyralog/format @pyralog/arrow @pyralog/sequencing @pyralog/log @pyralog/runtime',
  ),
  '@pyralog/service-indexer': row(
    'services/indexer',
    'ports',
    '@pyralog/base @pyralog/model @pyralog/format @pyralog/indexing @pyralog/log @pyralog/objects @pyralog/reading @pyralog/runtime',
  ),
  '@pyralog/service-api': row(
    'services/api',
    'ports',
    '@pyralog/base @pyralog/model @pyralog/format @pyralog/arrow @pyralog/client @pyralog/runtime',
    'fastify zod fastify-type-provider-zod @fastify/swagger @fastify/swagger-ui prom-client',
  ),
  // L6: the published package, which assembles the others.
  pyralog: row(
    'services/pyralog',
    'world',
    '@pyralog/base @pyralog/model @pyralog/format @pyralog/client @pyralog/sequencing @pyralog/indexing @pyralog/log @pyralog/objects @pyralog/reading @pyralog/views @pyralog/runtime @pyralog/service-sequencer @pyralog/service-indexer @pyralog/service-api',
    'commander picocolors cli-table3 cli-progress prom-client',
  ),
};

/** Node's modules that pure packages may use: deterministic and synchronous. */
export const NODE_IN_PURE: readonly string[] = ['node:crypto', 'node:util'];

/** Names that some packages do not say, with what to use instead. Tests may say all of them. */
export interface Ban {
  /**
   * As written where it is used: of a global by its own name, of Node's modules behind the module's name,
   * whichever way it was imported. What lies below a name is banned with it.
   */
  readonly names: readonly string[];
  readonly instead: string;
  readonly bannedIn: (layer: LayerRow) => boolean;
}

const PURE = ({ reach }: LayerRow): boolean => reach === 'pure';
const INSIDE = ({ reach }: LayerRow): boolean => reach !== 'world';
const LIBRARIES = ({ dir }: LayerRow): boolean => dir.startsWith('libs/');
const EVERYWHERE = (): boolean => true;

export const BANS: readonly Ban[] = [
  {
    names: ['Date.now', 'Date()', 'new Date()', 'performance', 'perf_hooks', 'process.hrtime'],
    instead: 'Clock of @pyralog/runtime, or the time as data',
    bannedIn: INSIDE,
  },
  { names: ['new Date'], instead: 'instants of @pyralog/model', bannedIn: PURE },
  {
    names: [
      'setTimeout',
      'setInterval',
      'setImmediate',
      'timers',
      'timers/promises',
      'AbortSignal.timeout',
    ],
    instead: 'Timers of @pyralog/runtime',
    bannedIn: INSIDE,
  },
  {
    names: [
      'Math.random',
      'crypto.randomUUID',
      'crypto.randomBytes',
      'crypto.randomInt',
      'crypto.randomFill',
      'crypto.randomFillSync',
      'crypto.getRandomValues',
    ],
    instead: 'Rand of @pyralog/runtime, or chance as data',
    bannedIn: INSIDE,
  },
  // Run on libuv's threads, so the order of their answers is nobody's.
  {
    names: [
      'crypto.subtle',
      'crypto.webcrypto',
      'crypto.pbkdf2',
      'crypto.scrypt',
      'crypto.hkdf',
      'crypto.generateKey',
      'crypto.generateKeyPair',
    ],
    instead: 'the synchronous form of node:crypto',
    bannedIn: INSIDE,
  },
  {
    names: [
      'deflate',
      'deflateRaw',
      'gzip',
      'inflate',
      'inflateRaw',
      'gunzip',
      'unzip',
      'brotliCompress',
      'brotliDecompress',
      'createDeflate',
      'createDeflateRaw',
      'createGzip',
      'createInflate',
      'createInflateRaw',
      'createGunzip',
      'createUnzip',
      'createBrotliCompress',
      'createBrotliDecompress',
    ].map((name) => `zlib.${name}`),
    instead: 'the synchronous form of node:zlib, or a codec of @pyralog/format',
    bannedIn: INSIDE,
  },
  {
    names: [
      'fs',
      'fs/promises',
      'http',
      'https',
      'http2',
      'dgram',
      'tls',
      'dns',
      'child_process',
      'worker_threads',
      'cluster',
      'fetch',
      'WebSocket',
      'EventSource',
    ],
    instead: 'a port',
    bannedIn: INSIDE,
  },
  { names: ['net'], instead: 'a port', bannedIn: PURE },
  {
    names: ['JSON.parse'],
    instead: 'parseJson of @pyralog/model, which loses nothing',
    bannedIn: PURE,
  },
  // Every call leaves a reaction on each promise until that settles: a leak where one lives long.
  {
    names: ['Promise.race'],
    instead: 'one promise that whoever comes first resolves',
    bannedIn: INSIDE,
  },
  { names: ['console'], instead: 'diagnostics that a service listens to', bannedIn: EVERYWHERE },
  { names: ['process.env'], instead: 'options of the caller', bannedIn: LIBRARIES },
];

/** Uses of a banned name that are right, each with the reason. One that is not needed any more is a finding. */
export const EXCEPTIONS: readonly {
  readonly path: string;
  readonly name: string;
  readonly why: string;
}[] = [
  {
    path: 'libs/format/src/checked-json.ts',
    name: 'JSON.parse',
    why: 'our own bytes, proved by their checksum; 64-bit numbers are texts in them',
  },
  {
    path: 'libs/sequencing/src/hints.ts',
    name: 'JSON.parse',
    why: 'our own text, proved by the checksum of the message; there are no numbers in it',
  },
  {
    path: 'libs/sequencing/src/work.ts',
    name: 'JSON.parse',
    why: 'our own text, proved by the checksum of record or message; values in it are texts of documents',
  },
  {
    path: 'libs/format/src/segment.ts',
    name: 'JSON.parse',
    why: 'our own bytes, proved by their checksum; 64-bit numbers are texts in them',
  },
  {
    path: 'libs/format/src/record-items.ts',
    name: 'JSON.parse',
    why: 'our own bytes, proved by their checksum: members of an answer that go out as they came in',
  },
];

/**
 * Programs that nobody imports and that are started by hand; entries of packages, tests and what scripts name
 * are known without a line here.
 */
export const PROGRAMS: RegExp = /^test\/bench\/[^/]+\.ts$|^test\/golden\/make\.ts$/;
