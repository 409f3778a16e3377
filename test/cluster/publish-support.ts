import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** A message as it is published: in no header or key is a line end or a tab. */
export interface Message {
  readonly key?: string | undefined;
  /** Null: a tombstone. */
  readonly value: string | Uint8Array | null;
}

export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
type CompressionCodec = (typeof CODECS)[number];

/** Where messages go, all of them in one call of a producer. */
export interface Target {
  readonly broker: string;
  readonly topic: string;
  readonly codec?: CompressionCodec | undefined;
  /** Of each message. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A producer that knows nothing of Pyralog. */
export interface Publisher {
  readonly name: string;
  /** Why it cannot be had here; empty where it can. */
  readonly reason: string;
  /** Whether values may be any bytes. */
  readonly takesBytes: boolean;
  /** Resolves when the broker has acknowledged all of the messages, in this order. */
  send(target: Target, messages: readonly Message[]): Promise<void>;
}

interface Tool {
  /** What its script prints. */
  readonly path: string;
  readonly reason: string;
}

function tool(script: string, ...args: readonly string[]): Tool {
  const path = fileURLToPath(new URL(`../../${script}`, import.meta.url));
  const { status, stdout, stderr } = spawnSync('sh', [path, ...args], { encoding: 'utf8' });
  const reason = status === 0 ? '' : `(${stderr.trim().split('\n').at(-1)})`;
  return { path: stdout.trim(), reason };
}

/** kcat on librdkafka; those of Java as its console producer; and librdkafka from Python. */
export function publishers(): readonly Publisher[] {
  return [
    new Kcat(tool('infra/scripts/kcat.sh', 'install')),
    new Python(tool('test/formats/setup.sh')),
    new ConsoleProducer(tool('infra/scripts/kafka-tools.sh', 'install')),
  ];
}

class Kcat implements Publisher {
  readonly name = 'kcat';
  readonly reason: string;
  readonly takesBytes = true;
  readonly #path: string;

  constructor({ path, reason }: Tool) {
    this.#path = path;
    this.reason = reason;
  }

  async send(target: Target, messages: readonly Message[]): Promise<void> {
    const { broker, topic, codec = 'none', headers = {} } = target;
    const args = [
      ...['-P', '-b', broker, '-t', topic, '-z', codec, '-X', 'partitioner=murmur2_random'],
      // What is empty is null.
      '-Z',
      ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}=${value}`]),
    ];
    if (messages.every(({ value }) => !(value instanceof Uint8Array))) {
      // A line without a key has no tab.
      const lines = messages.map(
        ({ key, value }) => `${key === undefined ? '' : `${key}\t`}${value ?? ''}\n`,
      );
      await run(this.#path, [...args, '-K', '\t'], lines.join(''));
      return;
    }
    // A file is one message.
    const folder = mkdtempSync(join(tmpdir(), 'pyralog-kcat-'));
    try {
      const files = messages.map(({ value }, i) => {
        const path = join(folder, String(i));
        writeFileSync(path, value ?? '');
        return path;
      });
      await run(this.#path, [...args, ...files], '');
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

class Python implements Publisher {
  readonly name = 'confluent-kafka in Python';
  readonly reason: string;
  readonly takesBytes = true;
  readonly #path: string;

  constructor({ path, reason }: Tool) {
    this.#path = path;
    this.reason = reason;
  }

  async send(target: Target, messages: readonly Message[]): Promise<void> {
    const { broker, topic, codec = 'none', headers = {} } = target;
    const script = fileURLToPath(new URL('publish.py', import.meta.url));
    const base64 = (bytes: string | Uint8Array | null | undefined): string | null =>
      bytes === null || bytes === undefined
        ? null
        : Buffer.from(bytes as string).toString('base64');
    const lines = messages.map(
      ({ key, value }) =>
        `${JSON.stringify({ key: base64(key), value: base64(value), headers })}\n`,
    );
    await run(this.#path, [script, broker, topic, codec], lines.join(''));
  }
}

/** What stands for null in the lines of the console producer. */
const NULL = 'NULL';

class ConsoleProducer implements Publisher {
  readonly name = "Java's console producer";
  readonly reason: string;
  readonly takesBytes = false;
  readonly #classPath: string;

  constructor({ path, reason }: Tool) {
    this.#classPath = path;
    this.reason = reason;
  }

  async send(target: Target, messages: readonly Message[]): Promise<void> {
    const { broker, topic, codec = 'none', headers = {} } = target;
    const said = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
    const lines = messages.map(
      ({ key = NULL, value }) => `${said.join(',') || NULL}\t${key}\t${value ?? NULL}\n`,
    );
    const reader = [
      ...['parse.headers=true', 'parse.key=true', `null.marker=${NULL}`],
      ...['key.separator=\t', 'headers.delimiter=\t'],
    ];
    const java = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData'];
    await run(
      'java',
      [
        ...[...java, '-cp', this.#classPath, 'org.apache.kafka.tools.ConsoleProducer'],
        ...['--bootstrap-server', broker, '--topic', topic, '--compression-codec', codec],
        ...reader.flatMap((property) => ['--property', property]),
      ],
      lines.join(''),
    );
  }
}

/** Runs a program on an input. It fails when it ends otherwise than well. */
async function run(program: string, args: readonly string[], input: string): Promise<void> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(input);
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  if (status !== 0) throw new Error(`${program} ended with ${status}:\n${stdout}${stderr}`);
}
