import { isPyralogError, partitionNo } from '@pyralog/model';
import { probeObjectStore } from '@pyralog/objects';
import { type Cluster, type ClusterSettings, connectCluster } from '../cluster/connect.ts';
import { Databases } from '../cluster/databases.ts';
import { checkLogs, wordsOfFinding } from '../cluster/start-checks.ts';
import { at, DATABASES_TOPIC, topicsOf } from '../cluster/topics.ts';
import { counted } from './print.ts';
import { hintOf, type Tell, wordsOf } from './verdict.ts';

/** Who asks what is wrong does not wait for it to pass. */
const PATIENCE_MILLIS = 5_000;
const P = partitionNo(0);

/** Each engine by itself, and what they hold together. Changes nothing that stays. */
export async function checkCluster(tell: Tell, settings: ClusterSettings): Promise<void> {
  const nobody = (): void => undefined;
  const quiet = { onFailure: nobody, onRecovery: nobody, onVoid: nobody };
  await using cluster = await connectCluster(
    { ...settings, patienceMillis: PATIENCE_MILLIS },
    process.env,
    quiet,
  );
  const checked = async (what: string, check: () => Promise<void>): Promise<boolean> => {
    try {
      await check();
      tell('ok', what);
      return true;
    } catch (error) {
      tell('fail', wordsOf(error), hintOf(error));
      return false;
    }
  };
  const { objects, views } = cluster.ports;
  const hasBucket = await checked(`${cluster.bucketName} keeps the first writer of a name`, () =>
    probeObjectStore(objects, cluster.bucketName),
  );
  const hasKafka = await checked(`Kafka answers at ${settings.kafka.join(', ')}`, () =>
    askKafka(cluster),
  );
  if (views !== undefined) await checked('Redis answers', () => views.ping());
  if (hasBucket && hasKafka) await checkDatabases(tell, cluster);
}

async function askKafka({ log }: Cluster): Promise<void> {
  try {
    await log.bounds(at(DATABASES_TOPIC, P));
  } catch (error) {
    // Before the first process of a cluster there is no such topic.
    if (!isPyralogError(error) || error.code !== 'not-found') throw error;
  }
}

async function checkDatabases(tell: Tell, cluster: Cluster): Promise<void> {
  const databases = new Databases(cluster.ports);
  const names = await databases.list();
  tell('ok', counted(names.length, 'database'));
  for (const name of names) {
    try {
      await checkLogs(cluster, await databases.info(name));
      const findings = await cluster.log.checkTopics(Object.values(topicsOf(name)));
      for (const finding of findings) tell('warn', wordsOfFinding(finding), finding.cure);
      if (findings.length === 0) tell('ok', `database ${name}: its topics keep what they hold`);
    } catch (error) {
      tell('fail', `database ${name}: ${wordsOf(error)}`, hintOf(error));
    }
  }
}
