/**
 * Who may import whom, and which third-party packages where. The house rules of the code base: the checks
 * in rules.ts read nothing else. A new package needs a line here.
 */
export interface LayerRow {
  /** Folder of the package. */
  readonly dir: string;
  /** Packages of this repository that it may import. */
  readonly internal: readonly string[];
  readonly thirdParty: readonly string[];
  /** No I/O, no clock, no chance: answers depend on arguments alone. */
  readonly pure: boolean;
}

const row = (dir: string, internal: string, thirdParty = '', pure = false): LayerRow => ({
  dir,
  internal: internal.split(' ').filter((name) => name !== ''),
  thirdParty: thirdParty.split(' ').filter((name) => name !== ''),
  pure,
});

export const LAYERS: Readonly<Record<string, LayerRow>> = {
  // L0 to L3: pure.
  '@pyralog/base': row('libs/base', '', '', true),
  '@pyralog/model': row('libs/model', '@pyralog/base', '', true),
  '@pyralog/format': row(
    'libs/format',
    '@pyralog/base @pyralog/model',
    'apache-arrow flatbuffers @toondepauw/node-zstd @bokuweb/zstd-wasm',
    true,
  ),
  '@pyralog/sequencing': row(
    'libs/sequencing',
    '@pyralog/base @pyralog/model @pyralog/format',
    '',
    true,
  ),
  '@pyralog/indexing': row(
    'libs/indexing',
    '@pyralog/base @pyralog/model @pyralog/format',
    '',
    true,
  ),
  '@pyralog/feed': row('libs/feed', '@pyralog/base @pyralog/model @pyralog/format', '', true),
  // L4: ports, adapters, and what drives the cores through them.
  '@pyralog/log': row('libs/log', '@pyralog/base @pyralog/model'),
  '@pyralog/objects': row('libs/objects', '@pyralog/base @pyralog/model'),
  '@pyralog/runtime': row('libs/runtime', '@pyralog/base @pyralog/model', 'tsx'),
  '@pyralog/client': row(
    'libs/client',
    '@pyralog/base @pyralog/model @pyralog/format',
    'eventsource-parser',
  ),
  '@pyralog/reading': row(
    'libs/reading',
    '@pyralog/base @pyralog/model @pyralog/format @pyralog/indexing @pyralog/feed @pyralog/objects @pyralog/client @pyralog/runtime',
  ),
  // L5: one process role each.
  '@pyralog/service-sequencer': row(
    'services/sequencer',
    '@pyralog/base @pyralog/model @pyralog/format @pyralog/sequencing @pyralog/log @pyralog/runtime',
  ),
  '@pyralog/service-indexer': row(
    'services/indexer',
    '@pyralog/base @pyralog/model @pyralog/format @pyralog/indexing @pyralog/log @pyralog/objects @pyralog/reading @pyralog/runtime',
  ),
  '@pyralog/service-api': row(
    'services/api',
    '@pyralog/base @pyralog/model @pyralog/format @pyralog/client @pyralog/runtime',
    'fastify zod fastify-type-provider-zod @fastify/swagger @fastify/swagger-ui prom-client',
  ),
  // L6: the published package, which assembles the others.
  pyralog: row(
    'services/pyralog',
    '@pyralog/base @pyralog/model @pyralog/format @pyralog/client @pyralog/sequencing @pyralog/indexing @pyralog/log @pyralog/objects @pyralog/reading @pyralog/runtime @pyralog/service-sequencer @pyralog/service-indexer @pyralog/service-api',
    'commander picocolors cli-table3 cli-progress',
  ),
};

/** Called by name in pure packages, each with what to use instead. */
export const BANNED_IN_PURE: Readonly<Record<string, string>> = {
  'Date.now': 'take the time as data (Clock port)',
  'performance.now': 'take the time as data (Clock port)',
  'Math.random': 'take chance as data (Rand port)',
  'crypto.randomUUID': 'take chance as data (Rand port)',
  setTimeout: 'Timers port',
  setInterval: 'Timers port',
  setImmediate: 'Timers port',
  fetch: 'a port',
};

/** Node's modules that pure packages may use: deterministic and synchronous. */
export const NODE_IN_PURE: readonly string[] = ['node:crypto'];
