import { Kafka, logLevel } from 'kafkajs';
import { KafkaServer } from '../servers/kafka.ts';
import { serverSuite } from '../servers/suite.ts';

const TOPIC = 'values';

/** Clients do not try again: a server that has been started must do everything at once. */
function client(address: string, retries = 0): Kafka {
  return new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, retry: { retries } });
}

serverSuite(() => KafkaServer.start(), {
  async write({ address }, value) {
    const admin = client(address).admin();
    const producer = client(address).producer();
    try {
      await Promise.all([admin.connect(), producer.connect()]);
      if (!(await admin.listTopics()).includes(TOPIC))
        await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }] });
      await producer.send({ topic: TOPIC, acks: -1, messages: [{ value }] });
    } finally {
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    }
  },

  async read({ address }) {
    // But for the coordinator of groups, which a broker makes when it is first asked for it, and then loads.
    const consumer = client(address, 10).consumer({ groupId: `reader-${Date.now()}` });
    const admin = client(address).admin();
    try {
      await Promise.all([admin.connect(), consumer.connect()]);
      const [partition] = await admin.fetchTopicOffsets(TOPIC);
      await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
      return await new Promise<string | undefined>((resolve, reject) => {
        consumer.on('consumer.crash', ({ payload }) => {
          if (!payload.restart) reject(payload.error);
        });
        const last = Number(partition?.high) - 1;
        const eachMessage = async ({
          message,
        }: {
          message: { offset: string; value: Buffer | null };
        }): Promise<void> => {
          if (Number(message.offset) === last) resolve(message.value?.toString());
        };
        consumer.run({ eachMessage }).catch(reject);
      });
    } finally {
      await Promise.all([admin.disconnect(), consumer.disconnect()]);
    }
  },
});
