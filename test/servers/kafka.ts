import { ScriptedServer } from './server.ts';

const SCRIPT = new URL('../../infra/scripts/kafka.sh', import.meta.url);

/** Apache Kafka, one broker; its address is `127.0.0.1:port`. */
export class KafkaServer extends ScriptedServer {
  /** @throws {ServerUnavailable} where there is none and none can be had */
  static start(): Promise<KafkaServer> {
    return this.started(new KafkaServer(SCRIPT));
  }
}
