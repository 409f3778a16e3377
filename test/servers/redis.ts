import { ScriptedServer } from './server.ts';

const SCRIPT = new URL('../../infra/scripts/redis.sh', import.meta.url);

/** Redis that writes every command to its log; its address is a `redis://` URL. */
export class RedisServer extends ScriptedServer {
  /** @throws {ServerUnavailable} where there is none and none can be had */
  static start(): Promise<RedisServer> {
    return this.started(new RedisServer(SCRIPT));
  }
}
