import { compareUtf8 } from '@pyralog/base';
import { INDEX_ORDERS, type LogOffset } from '@pyralog/model';
import {
  RUN_PARTS,
  type LogState,
  type Manifest,
  type RunInfo,
  type SegmentInfo,
} from './manifest.ts';
import { parseSegmentName, runName } from './object-names.ts';
import { compareIds } from './transaction-items.ts';

/** Runs in the order in which manifests list them: by order, part, range and name. */
export function sortRuns(runs: readonly RunInfo[]): RunInfo[] {
  return runs.toSorted(compareRuns);
}

/**
 * What must hold of a manifest, and of a manifest and the one before it: checked before every write
 * and after every read (I7).
 * @returns what does not hold, undefined where all does.
 */
export function checkManifest(previous: Manifest | undefined, next: Manifest): string | undefined {
  return (
    checkState(next.state) ??
    checkSegments(next.segments, next.state) ??
    checkRuns(next.runs, next.state) ??
    checkRows(next) ??
    (previous === undefined ? undefined : checkSuccession(previous, next))
  );
}

function checkState(state: LogState): string | undefined {
  if (state.closed > state.clock) return 'the closed timestamp is above the clock';
  if (state.schemaTx > state.clock) return 'the schema is newer than the clock';
  if ((state.admission.owner === undefined) !== (state.admission.epoch === 0)) {
    return 'an epoch has no owner';
  }
  let end = state.lowWater - 1;
  for (const [from, to] of state.done) {
    if (from <= end || to <= from) return 'the finished offsets are not in order';
    end = to;
  }
  const peers = state.marks.map((mark) => mark.peer);
  if (!peers.every((peer, i) => i === 0 || peer > (peers[i - 1] as number)))
    return 'the marks are not in order';
  return checkOpen(state);
}

function checkOpen({ open: { begun, prepared }, next }: LogState): string | undefined {
  const before = (records: readonly LogOffset[]): boolean =>
    records.every((record, i) => record < next && (i === 0 || record > (records[i - 1] as number)));
  for (const [i, { offset, records }] of begun.entries()) {
    if (i > 0 && offset <= (begun[i - 1]?.offset ?? -1))
      return 'the open transactions are not in order';
    if (records.length === 0 || !before(records))
      return 'an open transaction has impossible records';
  }
  for (const [i, each] of prepared.entries()) {
    const last = prepared[i - 1];
    const rises =
      last === undefined || (compareIds(last.id, each.id) || compareUtf8(last.part, each.part)) < 0;
    if (!rises) return 'the prepared parts are not in order';
    if (each.record >= next) return 'a prepared part has an impossible record';
  }
  return undefined;
}

function checkSegments(segments: readonly SegmentInfo[], state: LogState): string | undefined {
  let end: LogOffset | undefined;
  let generation = 0;
  for (const segment of segments) {
    const name = parseSegmentName(segment.name);
    if (name === undefined || name.first !== segment.from) {
      return `the segment ${segment.name} has a name that does not fit`;
    }
    if (segment.to <= segment.from) return `the segment ${segment.name} is empty`;
    if (end !== undefined && (segment.from !== end || name.generation < generation)) {
      return `the segment ${segment.name} does not join the one before`;
    }
    const wrong = checkTxRange(segment, state);
    if (wrong !== undefined) return `the segment ${segment.name} ${wrong}`;
    end = segment.to;
    generation = name.generation;
  }
  return (end ?? 0) === state.next ? undefined : 'the segments do not end where the state stands';
}

function checkRuns(runs: readonly RunInfo[], state: LogState): string | undefined {
  for (const [i, run] of runs.entries()) {
    if (run.name !== runName(run.order, run.level, run.hash)) {
      return `the run ${run.name} has a name that does not fit`;
    }
    if (run.facts < run.rows || run.facts > 2 * run.rows || run.heldTo < run.maxTx) {
      return `the run ${run.name} has impossible facts`;
    }
    if (run.rows < 1 || run.to <= run.from || run.to > state.next) {
      return `the run ${run.name} has an impossible range`;
    }
    const wrong = checkTxRange(run, state);
    if (wrong !== undefined) return `the run ${run.name} ${wrong}`;
    const before = runs[i - 1];
    if (before === undefined) continue;
    if (compareRuns(before, run) >= 0) return `the run ${run.name} is not in its place`;
    const same = before.order === run.order && before.part === run.part;
    if (same && run.from < before.to) return `the run ${run.name} overlaps with ${before.name}`;
  }
  return undefined;
}

/** Current and history runs together hold each fact of the log once. */
function checkRows(manifest: Manifest): string | undefined {
  const facts = manifest.segments.reduce((sum, segment) => sum + segment.rows, 0);
  const indexed = manifest.runs.reduce(
    (sum, run) => sum + (run.order === 'eavt' ? run.facts : 0),
    0,
  );
  return facts === indexed ? undefined : `eavt has ${indexed} of ${facts} facts`;
}

function checkTxRange(file: RunInfo | SegmentInfo, state: LogState): string | undefined {
  if (file.minTx > file.maxTx) return 'has its transactions in the wrong order';
  return file.maxTx > state.clock ? 'has transactions above the clock' : undefined;
}

function checkSuccession(previous: Manifest, next: Manifest): string | undefined {
  if (next.number !== previous.number + 1) return 'the number does not follow';
  if (next.database !== previous.database || next.partition !== previous.partition) {
    return 'it is of another partition';
  }
  const [from, to] = [previous.state, next.state];
  const rises =
    from.next <= to.next &&
    from.clock <= to.clock &&
    from.closed <= to.closed &&
    from.coordination <= to.coordination &&
    from.lowWater <= to.lowWater &&
    from.schemaTx <= to.schemaTx &&
    (from.admission.epoch < to.admission.epoch ||
      (from.admission.epoch === to.admission.epoch && from.admission.seq <= to.admission.seq));
  if (!rises) return 'the state goes back';
  const kept = previous.segments.every((segment, i) => next.segments[i]?.name === segment.name);
  return kept ? undefined : 'a segment is gone';
}

function compareRuns(a: RunInfo, b: RunInfo): number {
  return (
    INDEX_ORDERS.indexOf(a.order) - INDEX_ORDERS.indexOf(b.order) ||
    RUN_PARTS.indexOf(a.part) - RUN_PARTS.indexOf(b.part) ||
    a.from - b.from ||
    compareUtf8(a.name, b.name)
  );
}
