import { entityNow, hasFacts, lastTxOf, valueOwner } from '@pyralog/indexing';
import type { IndexReader } from '@pyralog/reading';
import type { Need, NeedAnswer } from '@pyralog/sequencing';
import type { LeaderIndex } from '@pyralog/service-sequencer';

/** What the leader of a partition reads of the index: the runs of the adopted manifest. */
export function leaderIndex(index: IndexReader): LeaderIndex {
  const answer = async (need: Need): Promise<NeedAnswer> => {
    const view = index.view();
    switch (need.kind) {
      case 'entity':
        return { need, facts: await index.run(entityNow(view, need.entity)) };
      case 'owner':
        return { need, owner: await index.run(valueOwner(view, need.attribute, need.value)) };
      case 'lastTx':
        return { need, tx: await index.run(lastTxOf(view, need.entity, need.attribute)) };
      case 'hasFacts':
        return { need, hasFacts: await index.run(hasFacts(view, need.attribute)) };
    }
  };
  return {
    async start() {
      const { manifest, state, schema } = index;
      return { state, schema, empty: manifest === undefined };
    },
    answer: (needs) => Promise.all(needs.map(answer)),
    records: (offsets) => index.records(offsets),
  };
}
