import { KafkaLog } from '@pyralog/log/kafka';

/** A process that is a member of a group, and says what it is advised of: `member.ts ADDRESS GROUP TOPIC`. */
const [address = '', group = '', topic = ''] = process.argv.slice(2);
const log = new KafkaLog({ brokers: [address], clientId: 'member', replicationFactor: 1 });
for await (const partitions of log.advice.join(group, topic))
  process.stdout.write(`${[...partitions].join(',')}\n`);
