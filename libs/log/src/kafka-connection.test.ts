import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { isPyralogError, logOffset, partitionNo } from '@pyralog/model';
import { afterEach, expect, test } from 'vitest';
import { KafkaLog } from './kafka.ts';

const at = { topic: 'main.commits', partition: partitionNo(0) };
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Something that listens where a broker should. @returns its address */
async function listen(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function open(brokers: readonly string[], patienceMillis = 200): KafkaLog {
  const log = new KafkaLog({ brokers, clientId: 'test', replicationFactor: 1, patienceMillis });
  closing.push(() => log[Symbol.asyncDispose]());
  return log;
}

async function codeOf(outcome: Promise<unknown>): Promise<unknown> {
  const error = await outcome.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return isPyralogError(error) ? error.code : error;
}

const answers: Readonly<Record<string, (socket: Socket) => void>> = {
  'closes at once': (socket) => socket.destroy(),
  'takes leave at once': (socket) => socket.end(),
  'speaks HTTP': (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')),
  'answers nonsense to the first request': (socket) =>
    socket.once('data', () => socket.write(Buffer.from('0000000a000000000000000000ff', 'hex'))),
  'announces an answer of less than nothing': (socket) =>
    socket.once('data', () => socket.write(Buffer.from('ffffffff0000000000000000', 'hex'))),
  'answers shorter than an answer is': (socket) =>
    socket.once('data', () => socket.write(Buffer.from('000000020000', 'hex'))),
};

test.each(Object.keys(answers))('who %s is no broker, and ends no process', async (how) => {
  const log = open([await listen((socket) => answers[how]?.(socket))]);
  const codes = await Promise.all([
    codeOf(log.bounds(at)),
    codeOf(log.append(at, [{ value: Buffer.from('x') }])),
    codeOf(log.createTopic('main.commits', 1)),
    codeOf(log.read(at, logOffset(0), { follow: true })[Symbol.asyncIterator]().next()),
  ]);
  for (const code of codes) expect(['unreachable', 'storage-failed']).toContain(code);
});

test('where nobody listens is no broker', async () => {
  const address = await listen(() => undefined);
  await closing.pop()?.();
  expect(await codeOf(open([address]).bounds(at))).toBe('unreachable');
});

test('who never answers holds up neither a reader that is told to stop nor closing', async () => {
  let connected = (): void => undefined;
  const connecting = new Promise<void>((resolve) => (connected = resolve));
  const log = open([await listen(() => connected())], 60_000);
  const stop = new AbortController();
  const options = { follow: true, signal: stop.signal };
  const reading = log.read(at, logOffset(0), options)[Symbol.asyncIterator]().next();
  const bounds = codeOf(log.bounds(at));
  await connecting;
  const begin = performance.now();
  stop.abort();
  expect(await reading).toEqual({ done: true, value: undefined });
  await log[Symbol.asyncDispose]();
  expect(await bounds).toBe('stopping');
  // Less than the time after which it would be taken for lost.
  expect(performance.now() - begin).toBeLessThan(3_000);
});

test('what is no address and no number is refused before it is used', () => {
  const options = { clientId: 'test', replicationFactor: 1 };
  for (const brokers of [
    [],
    ['localhost'],
    ['localhost:'],
    ['http://localhost:9092'],
    ['a:1', 'b'],
  ])
    expect(() => new KafkaLog({ ...options, brokers })).toThrow(/no addresses of brokers/);
  for (const brokers of [['localhost:9092'], ['[::1]:9092', '10.0.0.1:9092']])
    expect(() => new KafkaLog({ ...options, brokers })).not.toThrow();
  for (const replicationFactor of [0, -1, 1.5, Number.NaN])
    expect(() => new KafkaLog({ ...options, brokers: ['a:1'], replicationFactor })).toThrow(/none/);
});
