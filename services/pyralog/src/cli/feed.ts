import { printFeedEvent } from '@pyralog/client';
import { type GlobalOptions, withDatabase } from './context.ts';
import { counted, harmless, line, note, shown, sign } from './print.ts';
import { describe } from './read.ts';

export interface FeedOptions extends GlobalOptions {
  readonly from: string;
  readonly follow?: boolean | undefined;
  readonly entity?: string | undefined;
  readonly attribute?: string | undefined;
  readonly prefix?: string | undefined;
}

/** Facts of a transaction that are shown to a person; programs get all. */
const FACTS_SHOWN = 20;

/** Transactions as they came; says at the end, Ctrl-C included, where to go on. */
export async function feed(options: FeedOptions): Promise<void> {
  const { from, follow = false, entity, attribute, prefix, json } = options;
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  await withDatabase(options, async (database) => {
    let offset: string | undefined;
    for await (const event of database.feed({
      offset: from,
      follow,
      entity,
      attribute,
      prefix,
      signal: stop.signal,
    })) {
      ({ offset } = event);
      if (json === true) {
        line(printFeedEvent(event));
        continue;
      }
      if (event.kind !== 'transaction') continue;
      line(describe(event));
      for (const fact of event.facts.slice(0, FACTS_SHOWN))
        line(
          `  ${sign(fact)} ${harmless(fact.entity)}  ${harmless(fact.attribute)}  ${shown(fact.value)}`,
        );
      if (event.facts.length > FACTS_SHOWN)
        line(`  … and ${counted(event.facts.length - FACTS_SHOWN, 'more fact')}`);
    }
    if (json !== true && offset !== undefined) note(`The feed goes on with --from ${offset}`);
  });
}
