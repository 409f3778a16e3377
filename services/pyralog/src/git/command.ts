import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { PyralogError } from '@pyralog/model';
import { HandOver } from './hand-over.ts';
import { StreamReader } from '../stream-reader.ts';

/** Its own process group: Ctrl-C in a terminal stops the importer in good order, not git in the middle. */
const SPAWN = { detached: true, windowsHide: true } as const;
/** Questions that may wait for their answers in one command. */
const WINDOW = 256;
/** What is kept of a command's complaints. */
const COMPLAINT_BYTES_MAX = 8192;

/**
 * One running git command. Its environment is cleaned of what would lead it to another repository
 * (a hook's GIT_DIR), and replacement refs are off: a commit is what its hash says.
 */
export class GitCommand implements AsyncDisposable {
  readonly output: StreamReader;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<number | null>;
  readonly #name: string;
  #complaint = '';

  constructor(dir: string, args: readonly string[]) {
    this.#name = `git ${args[0] ?? ''}`;
    this.#child = spawn('git', ['-C', dir, ...args], {
      ...SPAWN,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: gitEnvironment(),
    });
    this.#exited = new Promise((resolve, reject) => {
      this.#child.once('error', (cause) => reject(gitMissing(cause)));
      this.#child.once('close', resolve);
    });
    // Whoever awaits the end sees the failure; nobody may have to.
    this.#exited.catch(() => {});
    // A write to a command that has ended shows in its exit status.
    this.#child.stdin.on('error', () => {});
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(0, COMPLAINT_BYTES_MAX);
    });
    this.output = new StreamReader(this.#child.stdout);
  }

  /** Writes, and waits while the command is busy. */
  async write(text: string): Promise<void> {
    const { stdin } = this.#child;
    if (!stdin.writable || stdin.write(text, 'latin1')) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stdin.off('drain', done).off('close', done);
        resolve();
      };
      stdin.on('drain', done).on('close', done);
    });
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  /** Resolves when the command has ended well. @throws PyralogError with git's own words otherwise */
  async finish(): Promise<void> {
    // Output that nobody reads would keep the pipe, and with it the command's end, waiting.
    this.#child.stdout.destroy();
    const status = await this.#exited;
    if (status !== 0) throw this.failed(status);
  }

  /** The error for an output that ends too early or a status that is not 0. */
  failed(status: number | null): PyralogError {
    const words = this.#complaint.trim().replace(/^(fatal|error): /, '');
    const how = status === null ? 'was ended' : `ended with status ${status}`;
    return new PyralogError(
      'import-source-failed',
      `${this.#name} ${how}: ${words || 'it gave no reason'}.`,
    );
  }

  /** Ends the command, whatever it is doing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      this.#child.kill('SIGKILL');
    this.#child.stdout.destroy();
    await this.#exited.catch(() => {});
  }
}

/** All output of a short command, with its exit status. */
export async function runGit(
  dir: string,
  args: readonly string[],
): Promise<{ status: number; output: string; complaint: string }> {
  const child = spawn('git', ['-C', dir, ...args], {
    ...SPAWN,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: gitEnvironment(),
  });
  let output = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause) => reject(gitMissing(cause)));
    child.once('close', resolve);
  });
  return { status: status ?? -1, output, complaint };
}

/** How to put one question into a command and read its answer. */
export interface Protocol<Question, Answer> {
  /** Latin-1 text: hashes and markers only. */
  question(question: Question): string;
  /** Answers come in the order of the questions. */
  answer(question: Question, output: StreamReader): Promise<Answer>;
}

/**
 * Puts questions into one command while reading its answers: as many processes as kinds of questions,
 * however many questions there are. At most {@link WINDOW} questions wait in it.
 */
export async function* askGit<Question, Answer>(
  start: () => GitCommand,
  questions: AsyncIterable<Question> | Iterable<Question>,
  protocol: Protocol<Question, Answer>,
): AsyncGenerator<Answer> {
  await using command = start();
  const asked = new HandOver<Question>(WINDOW);
  const asking = (async () => {
    for await (const question of questions) {
      if (!(await asked.push(question))) return;
      await command.write(protocol.question(question));
    }
    command.endInput();
    asked.end();
  })().catch((error: unknown) => asked.fail(error));
  try {
    for (;;) {
      const question = await asked.shift();
      if (question === undefined) break;
      yield await protocol.answer(question, command.output);
    }
    await command.finish();
  } catch (error) {
    // An output that ends in the middle is explained by the command's own end.
    if (error instanceof EarlyEnd) {
      await command.finish();
      throw command.failed(0);
    }
    throw error;
  } finally {
    asked.end();
    await command[Symbol.asyncDispose]();
    await asking;
  }
}

/** The output ended inside an answer. */
class EarlyEnd extends Error {
  override readonly name = 'EarlyEnd';
}

/** The value, or {@link EarlyEnd} where the stream had no more. */
export function wanted<T>(value: T | undefined): T {
  if (value === undefined) throw new EarlyEnd('the output of git ended too early');
  return value;
}

const REDIRECTIONS =
  /^GIT_(DIR|WORK_TREE|IMPLICIT_WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|NAMESPACE|COMMON_DIR|PREFIX|GRAFT_FILE|SHALLOW_FILE)$/;

function gitEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !REDIRECTIONS.test(name));
  return {
    ...Object.fromEntries(kept),
    LC_ALL: 'C',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
  };
}

function gitMissing(cause: unknown): PyralogError {
  return new PyralogError('import-source-failed', 'The program git cannot be started.', {
    hint: 'Install git and make sure that it is on the PATH.',
    cause,
  });
}
