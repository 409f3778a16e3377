import type { Trouble } from '@pyralog/client';
import { formatInstant, isPyralogError } from '@pyralog/model';
import { type Clock, type Failure, Health } from '@pyralog/runtime';

/** Who is told of what begins to fail behind the scenes, and when it works again. */
export interface TroubleListeners {
  readonly clock: Clock;
  readonly onFailure: (what: string, error: unknown) => void;
  readonly onRecovery: (what: string) => void;
}

/** How `what` is told to be: "… cannot be written" and "… is written again". */
export type Doing = 'written' | 'read' | 'joined' | 'reached' | 'led';

export function healthOf(
  what: string,
  doing: Doing,
  { clock, onFailure, onRecovery }: TroubleListeners,
): Health {
  return new Health({
    clock,
    onFailure: (error) => onFailure(`${what} cannot be ${doing}`, error),
    onRecovery: () => onRecovery(`${what} is ${doing} again`),
  });
}

export function troubleOf(part: Trouble['part'], failure: Failure | undefined): readonly Trouble[] {
  if (failure === undefined) return [];
  const { error, sinceNanos } = failure;
  return [
    {
      part,
      code: isPyralogError(error) ? error.code : 'internal',
      detail: messageOf(error),
      since: formatInstant(sinceNanos / 1000n),
    },
  ];
}

const PARTS: Readonly<Record<Trouble['part'], string>> = {
  log: 'the commit log',
  index: 'the index',
};

/** What may not work, and says so. */
export interface Troubled {
  readonly name: string;
  troubles(): readonly Trouble[];
}

/** What was thrown, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What does not work of some databases, a sentence each. */
export function troublesOf(databases: Iterable<Troubled>, doing: Doing): readonly string[] {
  return [...databases].flatMap((database) =>
    database
      .troubles()
      .map(
        ({ part, detail, since }) =>
          `${database.name}: ${PARTS[part]} cannot be ${doing} since ${since}. ${detail}`,
      ),
  );
}
