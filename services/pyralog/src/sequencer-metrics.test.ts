import type { DraftItem } from '@pyralog/format';
import { logOffset, partitionNo, tx } from '@pyralog/model';
import type { TakenStep } from '@pyralog/service-sequencer';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { SequencerMetrics } from './sequencer-metrics.ts';

const IDLE = { documents: 0, begun: 0, prepared: 0 };

function stepOf(items: readonly DraftItem[], outcomes: TakenStep['outcomes'] = []): TakenStep {
  const record = { kind: 'items', items } as unknown as NonNullable<TakenStep['record']>;
  return { record, outcomes, waiting: IDLE };
}

function committed(waitedNanos: bigint | undefined, askedNanos: bigint | undefined, others = 0) {
  const participants = Array.from({ length: others }, (_, i) => partitionNo(i + 1));
  const said = { tx: tx(1024n), facts: [], ids: new Map(), contents: new Map() };
  const effort = { attempts: 1, waitedNanos, askedNanos };
  return {
    offset: logOffset(0),
    outcome: { kind: 'committed' as const, ...said, participants, effort },
  };
}

test('what leaders measure has names, units and help', async () => {
  const registry = new Registry();
  const metrics = new SequencerMetrics(registry);
  metrics.step('main/1', {
    record: undefined,
    outcomes: [],
    waiting: { documents: 3, begun: 2, prepared: 1 },
  });
  expect((await registry.getMetricsAsJSON()).map(({ name, type }) => [name, type])).toEqual([
    ['pyralog_transaction_seconds', 'histogram'],
    ['pyralog_commit_record_items', 'histogram'],
    ['pyralog_transaction_attempts_total', 'counter'],
    ['pyralog_transaction_retries_total', 'counter'],
    ['pyralog_documents_waiting', 'gauge'],
    ['pyralog_transactions_begun', 'gauge'],
    ['pyralog_parts_promised', 'gauge'],
  ]);
  const text = await registry.metrics();
  expect(text).toContain('pyralog_documents_waiting{partition="main/1"} 3\n');
  expect(text).toContain('pyralog_transactions_begun{partition="main/1"} 2\n');
  expect(text).toContain('pyralog_parts_promised{partition="main/1"} 1\n');
});

test('attempts, retries and items are those of records; times are those of outcomes, in seconds', async () => {
  const registry = new Registry();
  const metrics = new SequencerMetrics(registry);
  const begin = { kind: 'begin' } as DraftItem;
  const retry = { kind: 'retry' } as DraftItem;
  const rejection = { code: 'busy', detail: 'for long' } as const;
  metrics.step(
    'main/0',
    stepOf(
      [begin, begin, retry],
      [
        committed(20_000_000n, 0n),
        committed(0n, 300_000_000n, 2),
        // In import mode nothing is known.
        committed(undefined, undefined, 1),
        { offset: logOffset(1), outcome: { kind: 'rejected', rejection } },
        { offset: logOffset(2), outcome: { kind: 'duplicate', tx: tx(1024n) } },
      ],
    ),
  );
  // What only moves time on is no group.
  metrics.step('main/0', stepOf([]));
  const lines = new Set((await registry.metrics()).split('\n'));
  for (const line of [
    'pyralog_transaction_attempts_total 2',
    'pyralog_transaction_retries_total 1',
    'pyralog_commit_record_items_sum 3',
    'pyralog_commit_record_items_count 1',
    'pyralog_transaction_seconds_sum{stage="wait",kind="one"} 0.02',
    'pyralog_transaction_seconds_count{stage="wait",kind="one"} 1',
    'pyralog_transaction_seconds_sum{stage="wait",kind="several"} 0',
    'pyralog_transaction_seconds_count{stage="wait",kind="several"} 1',
    'pyralog_transaction_seconds_sum{stage="prepare",kind="several"} 0.3',
    'pyralog_transaction_seconds_count{stage="prepare",kind="several"} 1',
  ])
    expect(lines).toContain(line);
});
