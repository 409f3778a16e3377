import { PyralogError } from '@pyralog/model';
import { type Command, CommanderError } from 'commander';
import { EXIT, report } from './context.ts';
import { createProgram } from './program.ts';

/** Runs one command. @returns the exit status: 0, 1 refused by the database, 2 usage, 3 unreachable */
export async function main(args: readonly string[]): Promise<number> {
  // A reader that goes away (head, less) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.refused),
  );
  let status: number = EXIT.ok;
  const program = createProgram((next) => (status = next));
  forbidExit(program);
  try {
    if (args.length === 0)
      throw new PyralogError('usage', 'There is no command.', {
        hint: 'pyralog --help lists them.',
      });
    await program.parseAsync([...args], { from: 'user' });
    return status;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(error, args.includes('--json'));
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

/** Commander would end the process itself; the status is ours to give, once everything is closed. */
function forbidExit(command: Command): void {
  command.exitOverride();
  for (const each of command.commands) forbidExit(each);
}
