import { isIP } from 'node:net';
import { PyralogError } from '@pyralog/model';
import type { FastifyRequest } from 'fastify';

/** Whether only this machine can connect to an address to listen on. */
export function isLoopback(address: string): boolean {
  return (
    address === 'localhost' ||
    address === '::1' ||
    (isIP(address) === 4 && address.startsWith('127.'))
  );
}

/**
 * Keeps pages of other sites out of a server without users: on loopback the browser's name for it must be one of loopback's (DNS
 * rebinding), and what changes something must not come from another origin.
 *
 * @throws forbidden
 */
export function guard(request: FastifyRequest, loopback: boolean): void {
  const { host = '', origin } = request.headers;
  if (loopback && host !== '' && !LOOPBACK_HOST.test(host)) {
    throw new PyralogError(
      'forbidden',
      `The server listens on this machine only, and ${JSON.stringify(host.slice(0, 100))} is not a name of it.`,
      {
        hint: 'Use localhost or 127.0.0.1; listen on another address (--host) to serve other machines.',
      },
    );
  }
  if (origin === undefined || request.method === 'GET' || request.method === 'HEAD') return;
  if (!URL.canParse(origin) || new URL(origin).host !== host) {
    throw new PyralogError(
      'forbidden',
      `A page of ${JSON.stringify(origin.slice(0, 100))} may not change anything here.`,
    );
  }
}

const LOOPBACK_HOST =
  /^(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?$/i;
