import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { defineSchema, Instant, KnowledgeBase } from '../index.ts';
import { main } from './main.ts';

const SCHEMA = defineSchema({
  'person/name': { valueType: 'string' },
  'person/born': { valueType: 'instant' },
});

const BIN = fileURLToPath(new URL('../bin.ts', import.meta.url));

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** The real command in its own process, without a terminal. */
function pyralog(
  args: readonly string[],
  { input = '', env = {} }: { readonly input?: string; readonly env?: Record<string, string> } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', BIN, ...args], {
    env: { ...process.env, NO_COLOR: '', ...env },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, out, err })));
}

/** As {@link pyralog}, in this process: for commands that end before they reach a database. */
async function inProcess(args: readonly string[]): Promise<Ended> {
  let out = '';
  let err = '';
  const stdout = vi
    .spyOn(process.stdout, 'write')
    .mockImplementation((text) => ((out += String(text)), true));
  const stderr = vi
    .spyOn(process.stderr, 'write')
    .mockImplementation((text) => ((err += String(text)), true));
  try {
    return { status: await main(args), out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

let dir: string;
/** An address at which nobody listens. */
let nowhere: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pyralog-cli-'));
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  nowhere = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.close();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('usage', () => {
  test.each([
    [['entiti', 'x'], 'Did you mean entity?'],
    [['facts', '--index', 'eva'], 'Allowed choices are eavt, aevt, avet, vaet'],
    [['entity', 'x', '--data', '.', '--url', 'http://127.0.0.1:9'], 'cannot be used with'],
    [['entity'], "missing required argument 'id'"],
    [['dev', '--port', '65536'], 'A port is a number from 0 to 65535'],
    [['status', '--data', '/nowhere/at/all'], 'There is no folder /nowhere/at/all'],
    [['status', '--url', 'localhost'], 'is not the address of a Pyralog server'],
    [['diff', 'yesterday', 'today'], 'is no moment to read at'],
    [['state', '--limit', '0'], '--limit'],
    [['transact', '/nowhere.json'], '/nowhere.json cannot be read'],
    [['import', 'git', '/'], 'is no git repository'],
    [[], 'There is no command'],
  ])('%j is told what is wrong with it, with status 2', async (args, message) => {
    const { status, out, err } = await inProcess(args);
    expect(err).toContain(message);
    expect({ status, out }).toEqual({ status: 2, out: '' });
  });

  test('help names every command in words that stand alone', async () => {
    const { status, out } = await inProcess(['--help']);
    expect(status).toBe(0);
    for (const command of [
      'dev',
      'create',
      'transact',
      'entity',
      'history',
      'state',
      'facts',
      'diff',
      'schema',
      'feed',
      'import',
      'status',
      'doctor',
      'verify',
      'live',
      'sequencer',
      'indexer',
      'api',
      'rebuild',
    ]) {
      expect(out).toMatch(new RegExp(`^  ${command}\\b.* {2,}\\S`, 'm'));
    }
  });
});

test(
  'a server that is not there, or is another one, ends with status 3',
  { timeout: 60_000 },
  async () => {
    const [gone, json] = await Promise.all([
      pyralog(['entity', 'x', '--url', nowhere]),
      pyralog(['entity', 'x', '--json', '--url', nowhere]),
    ]);
    expect(gone).toMatchObject({ status: 3, out: '' });
    expect(gone.err).toMatch(
      /^error: http:\/\/127\.0\.0\.1:\d+ cannot be reached .*\(unreachable\)\nhint: /,
    );
    expect(JSON.parse(json.err)).toMatchObject({ code: 'unreachable' });
    const other: Server = createServer((_request, response) =>
      response.writeHead(502).end('<html>Bad gateway</html>'),
    );
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      const { status, err } = await pyralog([
        'status',
        '--url',
        `http://127.0.0.1:${(other.address() as AddressInfo).port}`,
      ]);
      expect(status).toBe(3);
      expect(err).toContain('answered with status 502');
    } finally {
      other.close();
    }
  },
);

describe('a role of a cluster', () => {
  const engines = ['--kafka', '127.0.0.1:1', '--bucket', 'knowledge'];
  async function configured(content: string): Promise<Ended> {
    const file = join(dir, 'config.json');
    await writeFile(file, content);
    return inProcess(['indexer', '--config', file]);
  }

  test.each([
    [['api'], 'Where Kafka is was not said', '--kafka HOST:PORT'],
    [['sequencer', '--kafka', '127.0.0.1:1'], 'The bucket was not named', '--bucket NAME'],
    [
      ['api', '--kafka', 'nonsense', '--bucket', 'knowledge'],
      'no addresses of brokers',
      '127.0.0.1:9092',
    ],
    [
      ['api', '--kafka', '127.0.0.1:1', '--bucket', 'k', '--s3', 'http://a'],
      '"k" is no name of a bucket',
      '3 to 63',
    ],
    [
      ['api', ...engines, '--s3', 'nowhere'],
      'The address of the object store is not one',
      'http://127.0.0.1:9000',
    ],
    [['sequencer', ...engines, '--replication', '0'], 'A number of copies is 1 or more', '--help'],
    [['sequencer', ...engines, '--format', 'xml'], 'transaction, document, arrow', '--help'],
    [
      ['dev', '--data', 'x', '--kafka', '127.0.0.1:1'],
      "'--data <dir>' cannot be used with option '--kafka",
      '--help',
    ],
    [['rebuild', '--views'], 'Where Redis is was not said', '--redis URL'],
    [['rebuild'], '--views', '--help'],
    [['verify'], 'What is to be read was not said', '--bucket NAME'],
    [
      ['verify', '--data', 'x', '--bucket', 'knowledge'],
      'A folder and a bucket are not read at once',
      '--data or --bucket',
    ],
    [['verify', '--bucket', 'k', '--s3', 'http://a'], '"k" is no name of a bucket', '3 to 63'],
  ])('that cannot begin says why: %j', async (args, words, advice) => {
    const { status, out, err } = await inProcess(args);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain(words);
    expect(err).toContain(advice);
  });

  test('takes its options from a file, and says what is wrong with that', async () => {
    expect((await configured('{"kafka":"127.0.0.1:1"}')).err).toContain('The bucket was not named');
    expect((await configured('{"kafka":"127.0.0.1:1","bukket":"b"}')).err).toContain(
      'there is no option "bukket"',
    );
    expect((await configured('{"port":"many"}')).err).toContain('A port is a number');
    for (const content of ['[]', 'kafka=1', 'null'])
      expect((await configured(content)).err).toContain('holds no JSON object');
    const { status, err } = await inProcess(['api', '--config', join(dir, 'none.json')]);
    expect(status).toBe(2);
    expect(err).toContain('cannot be read');
  });
});

describe('a folder', { timeout: 120_000 }, () => {
  test('is made, written, read now and in the past, and checked', async () => {
    const here = ['--data', join(dir, 'kb')];
    expect(await inProcess(['create', 'main', ...here])).toMatchObject({
      status: 0,
      out: 'Created main.\n',
    });
    const document = {
      ops: [{ entity: 'paper:1', title: 'Rel\u001b[31mativity\n', year: 1905 }],
      meta: { author: 'user:ada', reason: 'seed' },
    };
    const first = JSON.parse(
      (await pyralog(['transact', '--json', ...here], { input: JSON.stringify(document) })).out,
    ) as { tx: string };
    await writeFile(
      join(dir, 'more.ndjson'),
      '{"ops":[{"entity":"paper:1","title":"On motion"}]}\n\n{"ops":[{"entity":"paper:2","year":"x"}]}\n{"ops":[{"entity":"paper:3","year":1}]}\n',
    );

    const stopped = await inProcess(['transact', join(dir, 'more.ndjson'), ...here]);
    expect(stopped.status).toBe(1);
    expect(stopped.err).toMatch(/^line 3:\nerror: .*\(type-mismatch\)\nhint: /);
    expect(stopped.out).toMatch(/^1 transaction committed .* 1 refused\.\n$/);

    // Never a character that steers the terminal, never a colour in a pipe.
    const past = await pyralog(['entity', 'paper:1', '--as-of', first.tx, ...here]);
    expect(past.out).toBe(
      'paper:1\nattribute  value\ntitle      Rel\\u001b[31mativity\\n\nyear       1905\n',
    );
    const now = await inProcess(['entity', 'paper:1', '--json', ...here]);
    expect(JSON.parse(now.out)).toMatchObject({
      entity: 'paper:1',
      attributes: { title: 'On motion', year: 1905 },
    });
    const history = await inProcess(['history', 'paper:1', '--attribute', 'title', ...here]);
    expect(history.out.split('\n').map((text) => text.replace(/^\d{4}-\S+ \S+Z/, 'WHEN'))).toEqual([
      'WHEN  user:ada  seed',
      '  + title  Rel\\u001b[31mativity\\n',
      'WHEN',
      '  - title  Rel\\u001b[31mativity\\n',
      '  + title  On motion',
      '',
    ]);
    await writeFile(join(dir, 'again.ndjson'), '{"ops":[{"entity":"p:1","n":1}]}\n{"ops":[]}\n');
    const explained = await inProcess([
      'transact',
      '--explain',
      join(dir, 'again.ndjson'),
      ...here,
    ]);
    const line = /tx \d+ {2}[\d.]+ ms on partition 0: commit [\d.]+ ms\n/;
    expect(explained.out).toMatch(
      new RegExp(`^${line.source}${line.source}2 transactions committed`),
    );
    const machine = ['transact', '--explain', '--json', join(dir, 'again.ndjson'), ...here];
    for (const each of (await inProcess(machine)).out.trim().split('\n'))
      expect(JSON.parse(each)).toMatchObject({ explain: { partitions: [0], attempts: 1 } });
    const parts = [...here, '--db', 'parts'];
    await inProcess(['create', 'parts', '--partitions', '3', ...here]);
    const many = { ops: Array.from({ length: 20 }, (_, i) => ({ entity: `e:${i}`, n: i })) };
    await writeFile(join(dir, 'many.json'), JSON.stringify(many));
    const together = await inProcess(['transact', '--explain', join(dir, 'many.json'), ...parts]);
    expect(together.out).toMatch(
      /\n[\d.]+ ms on partition \d with \d, \d: .*prepare [\d.]+ ms \+ commit [\d.]+ ms\n$/,
    );

    const absent = await inProcess(['entity', 'paper:3', ...here]);
    expect(absent).toMatchObject({ status: 1, out: '' });

    const two = JSON.parse((await inProcess(['facts', '--limit', '2', '--json', ...here])).out) as {
      facts: unknown[];
      next: string;
    };
    const rest = JSON.parse(
      (await inProcess(['facts', '--cursor', two.next, '--json', ...here])).out,
    ) as { facts: unknown[]; next: null };
    const all = JSON.parse((await inProcess(['facts', '--json', ...here])).out) as {
      facts: unknown[];
    };
    expect([...two.facts, ...rest.facts]).toEqual(all.facts);
    expect(rest.next).toBeNull();

    const diff = await inProcess([
      'diff',
      first.tx,
      (JSON.parse(now.out) as { basis: string }).basis,
      ...here,
    ]);
    expect(diff.out.split('\n').map((text) => text.replaceAll(/ +/g, ' '))).toEqual(
      expect.arrayContaining([
        '- paper:1 title Rel\\u001b[31mativity\\n',
        '+ paper:1 title On motion',
      ]),
    );
    const found = await inProcess([
      'state',
      '--index',
      'avet',
      '--attribute',
      'tx/author',
      '--value',
      'user:ada',
      '--json',
      ...here,
    ]);
    expect(JSON.parse(found.out)).toMatchObject({
      facts: [{ attribute: 'tx/author', value: 'user:ada' }],
    });

    const doctor = await inProcess(['doctor', '--json', ...here]);
    const verify = await inProcess(['verify', '--json', ...here]);
    expect(
      (JSON.parse(doctor.out) as { verdict: string }[]).map(({ verdict }) => verdict),
    ).not.toContain('fail');
    expect(JSON.parse(verify.out)).toMatchObject({ problems: [] });
  });
});

test(
  'dev serves at once what other commands ask for, and stops in good order',
  { timeout: 120_000 },
  async () => {
    const child = spawn(
      process.execPath,
      ['--conditions=source', '--import', 'tsx', BIN, 'dev', '--port', '0'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    try {
      let said = '';
      const url = await new Promise<string>((resolve, reject) => {
        child.once('close', () => reject(new Error(`dev ended: ${said}`)));
        child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          said += text;
          const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
          if (found !== undefined && said.includes('Ready')) resolve(found);
        });
      });
      expect(said).toContain('nothing is kept');
      const env = { PYRALOG_URL: url };
      const { port } = new URL(url);
      const [written, taken] = await Promise.all([
        pyralog(['transact'], {
          env,
          input: '[{"ops":[{"entity":"a:1","n":1}]},{"ops":[{"entity":"a:1","n":2}]}]',
        }),
        pyralog(['dev', '--port', port]),
      ]);
      expect(written).toMatchObject({ status: 0, err: '' });
      expect(taken.status).toBe(3);
      expect(taken.err).toContain(port);
      const [feed, status, doctor, missing] = await Promise.all([
        pyralog(['feed', '--json'], { env }),
        pyralog(['status', '--json'], { env }),
        pyralog(['doctor'], { env }),
        pyralog(['entity', 'a:1', '--db', 'other'], { env }),
      ]);
      expect(
        feed.out
          .trim()
          .split('\n')
          .map((text) => (JSON.parse(text) as { kind: string }).kind),
      ).toEqual(['transaction', 'transaction', 'progress']);
      expect(JSON.parse(status.out)).toMatchObject([
        { database: 'main', mode: 'live', durable: false },
      ]);
      expect(doctor).toMatchObject({ status: 0 });
      expect(missing).toMatchObject({ status: 1 });
      expect(missing.err).toContain('(database-not-found)');
      {
        await using kb = await KnowledgeBase.connect(`${url}/v1/main`, { schema: SCHEMA });
        const { ids, tx } = await kb.transact((t) => {
          const person = t.newEntity('person');
          t.assert(person, { 'person/name': 'Ada', 'person/born': '1815-12-10T00:00:00Z' });
          return { person };
        });
        expect(await kb.entity(ids.person)).toMatchObject({
          attributes: { 'person/name': 'Ada', 'person/born': Instant.from('1815-12-10T00:00:00Z') },
        });
        expect(await kb.entityAtTime(ids.person, tx - 1024n)).toBeUndefined();
        const { explain } = await kb.transact({ ops: [] }, { explain: true });
        expect(explain).toMatchObject({ partitions: [0], attempts: 1 });
      }
      const metrics = await (await fetch(`${url}/metrics`)).text();
      for (const stage of ['publish', 'wait', 'commit'])
        expect(metrics).toMatch(
          new RegExp(`pyralog_transaction_seconds_count{stage="${stage}",kind="one"} [1-9]`),
        );
      expect(metrics).toContain('pyralog_documents_waiting{partition="main/0"} 0');
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGINT');
      expect(await ended).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
  },
);
