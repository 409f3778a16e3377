/**
 * Waits until a server answers a real request: `node answers.mjs KIND HOST:PORT PID`. Ends with 1 and a
 * reason where its process has ended or does not answer within a minute. It imports nothing but Node, so that a server can be
 * had before any package is installed.
 */
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const DEADLINE_MILLIS = 60_000;
const ATTEMPT_MILLIS = 2000;
const PAUSE_MILLIS = 50;

/** What test servers for S3 let in, and the bucket that is made in them. */
const ACCESS_KEY = 'testkey';
const SECRET_KEY = 'testsecret';
const BUCKET = 'pyralog';

const KINDS = { kafka, s3, redis };

/** One request, one answer: resolves when `done` says that all bytes so far are one. */
function ask(host, port, bytes, done) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let answer = Buffer.alloc(0);
    socket.setTimeout(ATTEMPT_MILLIS, () => socket.destroy(new Error('it is silent')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('it hangs up')));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (!done(answer)) return;
      resolve(answer);
      socket.destroy();
    });
    socket.write(bytes);
  });
}

async function redis(host, port) {
  const answer = await ask(host, port, 'PING\r\n', (bytes) => bytes.includes('\r\n'));
  // While it reads its data it says LOADING.
  if (answer.toString() !== '+PONG\r\n') throw new Error(answer.toString().trim());
}

/** Metadata (key 3, version 1) of all topics: a broker that is no longer fenced, and leaders of what there is. */
async function kafka(host, port) {
  const client = Buffer.from('answers');
  const body = Buffer.alloc(14 + client.length);
  body.writeInt16BE(3, 0);
  body.writeInt16BE(1, 2);
  body.writeInt32BE(1, 4);
  body.writeInt16BE(client.length, 8);
  client.copy(body, 10);
  body.writeInt32BE(-1, 10 + client.length);
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  const answer = await ask(
    host,
    port,
    Buffer.concat([size, body]),
    (bytes) => bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0),
  );

  let at = 8;
  const int16 = () => answer.readInt16BE((at += 2) - 2);
  const int32 = () => answer.readInt32BE((at += 4) - 4);
  const string = () => {
    const length = Math.max(0, int16());
    at += length;
  };
  const array = (each) => Array.from({ length: Math.max(0, int32()) }, each);
  const brokers = array(() => {
    int32();
    string();
    int32();
    string();
  });
  if (brokers.length === 0) throw new Error('its broker is fenced');
  if (int32() < 0) throw new Error('it has no controller');
  const leaders = array(() => {
    int16();
    string();
    at++;
    return array(() => {
      at += 6;
      const leader = int32();
      array(int32);
      array(int32);
      return leader;
    });
  }).flat();
  if (leaders.some((leader) => leader < 0)) throw new Error('partitions have no leader');
}

/** Makes the bucket unless it is there, and asks for it, both signed. */
async function s3(host, port) {
  const made = await signed(host, port, 'PUT', `/${BUCKET}`);
  if (made !== 200 && made !== 409) throw new Error(`it answers ${made} to the making of a bucket`);
  const there = await signed(host, port, 'HEAD', `/${BUCKET}`);
  if (there !== 200) throw new Error(`it answers ${there} to the question for a bucket`);
}

/** Status of a request without a body, by Signature Version 4 of AWS. */
function signed(host, port, method, path) {
  const sha256 = (text) => createHash('sha256').update(text).digest('hex');
  const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const day = time.slice(0, 8);
  const headers = {
    host: `${host}:${port}`,
    'x-amz-content-sha256': sha256(''),
    'x-amz-date': time,
  };
  const names = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonical = [method, path, '', lines.join(''), names, sha256('')].join('\n');
  const scope = `${day}/us-east-1/s3/aws4_request`;
  const key = [day, 'us-east-1', 's3', 'aws4_request'].reduce(hmac, `AWS4${SECRET_KEY}`);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n'));
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/${scope},` +
    `SignedHeaders=${names},Signature=${signature.toString('hex')}`;
  return new Promise((resolve, reject) => {
    const sent = request({
      host,
      port,
      method,
      path,
      headers: { ...headers, authorization, 'content-length': 0 },
      timeout: ATTEMPT_MILLIS,
    });
    sent.once('response', (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode));
      response.once('error', reject);
    });
    sent.once('timeout', () => sent.destroy(new Error('it is silent')));
    sent.once('error', reject);
    sent.end();
  });
}

/** A process that has ended stays in the table until its parent has asked. */
function runs(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const [kind, address, pid] = process.argv.slice(2);
const [host, port] = address.split(':');
const deadline = performance.now() + DEADLINE_MILLIS;
for (let reason; ; await sleep(PAUSE_MILLIS)) {
  // Asked before the request: what answers on its port may be another.
  const ended = !runs(pid);
  if (!ended)
    try {
      await KINDS[kind](host, Number(port));
      break;
    } catch (error) {
      reason = error.message;
    }
  if (ended || performance.now() > deadline) {
    process.stderr.write(
      ended
        ? 'It has ended.\n'
        : `It has not answered for ${DEADLINE_MILLIS / 1000} s: ${reason}.\n`,
    );
    process.exitCode = 1;
    break;
  }
}
