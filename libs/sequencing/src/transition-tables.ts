import { assert, must } from '@pyralog/base';
import type { ItemOf, TransactionId, Vote } from '@pyralog/format';

/*
 * What happens to a transaction over partitions, in every state that it can be in and at every event. The sequencer
 * goes by these tables, and SPEC.md shows them. They are complete by their types: a state, an event, a kind of item or
 * of vote that is added does not compile before all of its cells are filled, and what a cell says does not compile
 * before it is done somewhere. There is no "else".
 */

/** A cell for every event and state. @template Cells by event, what its cells may say */
export type TransitionTable<State extends string, Cells> = {
  readonly [Event in keyof Cells]: { readonly [S in State]: Cells[Event] };
};

/**
 * What the coordinator's log says of a transaction. `preparing`: participants are asked. `retrying`: the attempt is
 * over, and they are told. `waiting`: they all know, and the document is in line again. `committed`, `refused`: it is
 * decided, and they are told.
 */
export type Phase = 'preparing' | 'retrying' | 'waiting' | 'committed' | 'refused';

/** `none`: nothing is open. */
export type LogState = 'none' | Phase;

type Kind = ItemOf<unknown>['kind'];
type PartKind = Extract<ItemOf<unknown>, { readonly id: TransactionId }>['kind'];

/** Items about a document of this partition; and that all participants know, which is not in the log. */
export type DocumentItem = Exclude<Kind, PartKind> | 'all know';

/**
 * The log of a coordinator: the state of a transaction behind an item. A replay does not know who knows, so a
 * transaction that was `waiting` is `retrying` to it.
 */
export const DOCUMENT_ITEMS: TransitionTable<
  LogState,
  { readonly [Item in DocumentItem]: LogState | 'defect' }
> = {
  begin: {
    none: 'preparing',
    preparing: 'defect',
    retrying: 'preparing',
    waiting: 'preparing',
    committed: 'defect',
    refused: 'defect',
  },
  extend: {
    none: 'defect',
    preparing: 'preparing',
    retrying: 'defect',
    waiting: 'defect',
    committed: 'defect',
    refused: 'defect',
  },
  retry: {
    none: 'defect',
    preparing: 'retrying',
    retrying: 'defect',
    waiting: 'defect',
    committed: 'defect',
    refused: 'defect',
  },
  'all know': {
    none: 'defect',
    preparing: 'defect',
    retrying: 'waiting',
    waiting: 'defect',
    committed: 'defect',
    refused: 'defect',
  },
  decided: {
    none: 'defect',
    preparing: 'committed',
    retrying: 'defect',
    waiting: 'defect',
    committed: 'defect',
    refused: 'defect',
  },
  refused: {
    none: 'defect',
    preparing: 'refused',
    retrying: 'defect',
    waiting: 'defect',
    committed: 'defect',
    refused: 'defect',
  },
  commit: {
    none: 'none',
    preparing: 'defect',
    retrying: 'none',
    waiting: 'none',
    committed: 'defect',
    refused: 'defect',
  },
  rejected: {
    none: 'none',
    preparing: 'defect',
    retrying: 'none',
    waiting: 'none',
    committed: 'defect',
    refused: 'defect',
  },
  duplicate: {
    none: 'none',
    preparing: 'defect',
    retrying: 'none',
    waiting: 'none',
    committed: 'defect',
    refused: 'defect',
  },
  end: {
    none: 'defect',
    preparing: 'defect',
    retrying: 'defect',
    waiting: 'defect',
    committed: 'none',
    refused: 'none',
  },
};

/** What a participant's log says of a part: `prepared` is a promise. */
export type PartLogState = 'none' | 'prepared';

/** The log of a participant: the state of a part behind an item. */
export const PART_ITEMS: TransitionTable<
  PartLogState,
  { readonly [Item in PartKind]: PartLogState | 'defect' }
> = {
  prepared: { none: 'prepared', prepared: 'defect' },
  committed: { none: 'defect', prepared: 'none' },
  aborted: { none: 'defect', prepared: 'none' },
};

/** `none`: never heard of, or over. `line`: in line, and not begun. */
export type CoordinatorState = 'none' | 'line' | Phase;

type VoteCells = {
  readonly [K in Vote['kind'] as `vote ${K}`]:
    | {
        readonly prepared: 'note promise';
        readonly retry: 'give way';
        readonly rejected: 'note rejection';
      }[K]
    | 'ignored';
};

/** Events at a coordinator. Votes and `done` are about the attempt under way, else they are `other attempt`. */
interface CoordinatorCells extends VoteCells {
  /** An input that has neither outcome nor begin. */
  readonly document: 'enter' | 'defect';
  /** Something in its way may be gone. */
  readonly turn: 'try' | 'defect';
  /** In line for 10 s. */
  readonly waited: 'reject' | 'defect';
  /** What another partition says of the schema. */
  readonly found: 'learn' | 'ignored';
  readonly done: 'note, then wait' | 'note, then end' | 'ignored';
  readonly 'other attempt': 'ignored';
  /** Begun 10 s ago. */
  readonly unanswered: 'refuse' | 'ignored' | 'defect';
  /** Told something 500 ms ago. */
  readonly 'resend due': 'ask' | 'tell' | 'defect';
  /** A new owner leads. */
  readonly takeover: 'ask' | 'tell' | 'keep place and tell' | 'defect';
}

/** What a coordinator does of a document. */
export const AT_COORDINATOR: TransitionTable<CoordinatorState, CoordinatorCells> = {
  document: {
    none: 'enter',
    line: 'defect',
    preparing: 'defect',
    retrying: 'defect',
    waiting: 'defect',
    committed: 'defect',
    refused: 'defect',
  },
  turn: {
    none: 'defect',
    line: 'try',
    preparing: 'defect',
    retrying: 'defect',
    waiting: 'try',
    committed: 'defect',
    refused: 'defect',
  },
  waited: {
    none: 'defect',
    line: 'reject',
    preparing: 'defect',
    retrying: 'defect',
    waiting: 'reject',
    committed: 'defect',
    refused: 'defect',
  },
  found: {
    none: 'ignored',
    line: 'learn',
    preparing: 'ignored',
    retrying: 'ignored',
    waiting: 'learn',
    committed: 'ignored',
    refused: 'ignored',
  },
  'vote prepared': {
    none: 'ignored',
    line: 'ignored',
    preparing: 'note promise',
    retrying: 'ignored',
    waiting: 'ignored',
    committed: 'ignored',
    refused: 'ignored',
  },
  'vote retry': {
    none: 'ignored',
    line: 'ignored',
    preparing: 'give way',
    retrying: 'ignored',
    waiting: 'ignored',
    committed: 'ignored',
    refused: 'ignored',
  },
  'vote rejected': {
    none: 'ignored',
    line: 'ignored',
    preparing: 'note rejection',
    retrying: 'ignored',
    waiting: 'ignored',
    committed: 'ignored',
    refused: 'ignored',
  },
  done: {
    none: 'ignored',
    line: 'ignored',
    preparing: 'ignored',
    retrying: 'note, then wait',
    waiting: 'ignored',
    committed: 'note, then end',
    refused: 'note, then end',
  },
  'other attempt': {
    none: 'ignored',
    line: 'ignored',
    preparing: 'ignored',
    retrying: 'ignored',
    waiting: 'ignored',
    committed: 'ignored',
    refused: 'ignored',
  },
  unanswered: {
    none: 'defect',
    line: 'defect',
    preparing: 'refuse',
    retrying: 'ignored',
    waiting: 'defect',
    committed: 'ignored',
    refused: 'ignored',
  },
  'resend due': {
    none: 'defect',
    line: 'defect',
    preparing: 'ask',
    retrying: 'tell',
    waiting: 'defect',
    committed: 'tell',
    refused: 'tell',
  },
  takeover: {
    none: 'defect',
    line: 'defect',
    preparing: 'ask',
    retrying: 'keep place and tell',
    waiting: 'defect',
    committed: 'tell',
    refused: 'tell',
  },
};

/** Of a part, compared with the attempt that a message is about. `none`: never heard of, or over. */
export type PartState =
  | 'none'
  /** For what younger ones hold; of this attempt or an earlier one. */
  | 'waiting'
  | 'waiting, later attempt'
  | 'prepared'
  | 'prepared, other attempt';

/** Events at a participant. Messages have a mark above that of the last one of their coordinator, else they are `late`. */
interface ParticipantCells {
  readonly prepare: 'queue' | 'replace' | 'vote again' | 'ignored';
  /** Something in its way may be gone. */
  readonly turn: 'try' | 'defect';
  readonly 'decision committed': 'commit' | 'forget' | 'answer';
  readonly 'decision aborted': 'abort' | 'forget' | 'answer';
  readonly late: 'ignored';
}

/** What a participant does of a part. It has no timer: whoever coordinates asks again, and a promise is in its log. */
export const AT_PARTICIPANT: TransitionTable<PartState, ParticipantCells> = {
  prepare: {
    none: 'queue',
    waiting: 'replace',
    'waiting, later attempt': 'replace',
    prepared: 'vote again',
    'prepared, other attempt': 'ignored',
  },
  turn: {
    none: 'defect',
    waiting: 'try',
    'waiting, later attempt': 'defect',
    prepared: 'defect',
    'prepared, other attempt': 'defect',
  },
  'decision committed': {
    none: 'answer',
    waiting: 'forget',
    'waiting, later attempt': 'answer',
    prepared: 'commit',
    'prepared, other attempt': 'answer',
  },
  'decision aborted': {
    none: 'answer',
    waiting: 'forget',
    'waiting, later attempt': 'answer',
    prepared: 'abort',
    'prepared, other attempt': 'answer',
  },
  late: {
    none: 'ignored',
    waiting: 'ignored',
    'waiting, later attempt': 'ignored',
    prepared: 'ignored',
    'prepared, other attempt': 'ignored',
  },
};

type Cells = { readonly [Event in string]: { readonly [State in string]: string } };

/** What a table says; a defect stops whoever asks. */
export function cellOf<T extends Cells, E extends keyof T & string, S extends keyof T[E] & string>(
  table: T,
  event: E,
  state: S,
): Exclude<T[E][S], 'defect'> {
  const cell = table[event]?.[state];
  assert(cell !== undefined && cell !== 'defect', `T1: no ${event} while it is ${state}`);
  return cell as Exclude<T[E][S], 'defect'>;
}

/** Does what a table says. @param actions those of all cells of the event */
export function perform<T extends Cells, E extends keyof T & string, S extends keyof T[E] & string>(
  table: T,
  event: E,
  state: S,
  actions: Readonly<Record<Exclude<T[E][S], 'defect' | 'ignored'>, () => void>>,
): void {
  const cell: string = cellOf(table, event, state);
  if (cell === 'ignored') return;
  must((actions as Readonly<Record<string, () => void>>)[cell], 'every cell is done somewhere')();
}
