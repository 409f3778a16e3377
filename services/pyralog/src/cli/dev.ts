import { createApi } from '@pyralog/service-api';
import { Registry } from 'prom-client';
import { openEmbedded } from '../embedded.ts';
import { SequencerMetrics } from '../sequencer-metrics.ts';
import { VERSION } from '../version.ts';
import { cutRuleOf, EXIT } from './context.ts';
import { colours, line, note } from './print.ts';
import { boundHeap, makeDatabase, stopAsked, tellError } from './process.ts';

export interface DevOptions {
  readonly data: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly db: string;
}

/** Everything in one process, until Ctrl-C. */
export async function dev({ data, host: address, port, db }: DevOptions): Promise<number> {
  boundHeap();
  // From the first moment on: Ctrl-C during the start is a wish too.
  const asked = stopAsked();
  const metrics = new Registry();
  await using host = await openEmbedded({
    dir: data,
    cutRule: cutRuleOf(process.env),
    steps: new SequencerMetrics(metrics),
  });
  await makeDatabase(host, db);
  await host.database(db);
  await using api = await createApi({
    host,
    version: VERSION,
    onError: tellError,
    metrics,
    notReady: () => host.troubles(),
  });
  const url = await api.listen(address, port);
  line(`${colours.bold('Pyralog')} ${VERSION}`);
  line(
    data === undefined
      ? `  data       ${colours.yellow('in memory: nothing is kept')} (--data DIR keeps it)`
      : `  data       ${data}`,
  );
  line(`  database   ${url}/v1/${db}`);
  line(`  feed       ${url}/v1/${db}/feed?live=sse`);
  line(`  docs       ${url}/docs`);
  line(`  metrics    ${url}/metrics`);
  line('Ready (Ctrl-C stops)');
  await asked;
  note('Stopping …');
  return EXIT.ok;
}
