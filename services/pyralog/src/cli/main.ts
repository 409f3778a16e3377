import { PyralogError } from '@pyralog/model';
import { Command, CommanderError, Option } from 'commander';
import { VERSION } from '../version.ts';
import { DEFAULT_URL, EXIT, type GlobalOptions, report } from './context.ts';

const EXAMPLES = `
Examples:
  pyralog dev --data ./kb                         a database in a folder, and its HTTP door
  echo '{"ops":[{"entity":"paper:1","title":"Relativity"}]}' | pyralog transact
  pyralog entity paper:1 --as-of 2026-01-31       as it was
  pyralog history paper:1                         every fact, with who and why
  pyralog import git . --data ./kb --db repo      the history of a repository

Commands talk to a server (--url, default ${DEFAULT_URL}) or open a folder themselves (--data).`;

/** Runs one command. @returns the exit status: 0, 1 refused by the database, 2 usage, 3 unreachable */
export async function main(args: readonly string[]): Promise<number> {
  // A reader that goes away (head, less) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  let status: number = EXIT.ok;
  const program = build((next) => (status = next));
  try {
    await program.parseAsync([...args], { from: 'user' });
    return status;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(error);
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

function build(done: (status: number) => void): Command {
  const program = new Command('pyralog')
    .description('An immutable knowledge database: every moment of the past stays readable.')
    .version(VERSION, '--version')
    .showSuggestionAfterError()
    .showHelpAfterError('Try pyralog --help.')
    .exitOverride()
    .addHelpText('after', EXAMPLES);

  const on = (name: string, summary: string): Command => {
    const command = program
      .command(name)
      .description(summary)
      .option('--url <url>', 'the server to talk to', process.env['PYRALOG_URL'] ?? DEFAULT_URL)
      .option('--data <dir>', 'open this folder in this process instead')
      .option('--db <name>', 'the database', 'main')
      .option('--json', 'for machines');
    return command.exitOverride();
  };
  const atMoment = (command: Command): Command => command.option('--as-of <moment>', 'read the past: a tx, an instant or a date');
  const paged = (command: Command): Command => command.addOption(new Option('--limit <rows>', 'rows at most').default('100'));

  program
    .command('dev')
    .description('Run everything in this process, and serve it over HTTP')
    .option('--data <dir>', 'keep the data in this folder; without it nothing is kept')
    .option('--port <port>', 'port to listen on, 0 for any free one', '4000')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--db <name>', 'database to make', 'main')
    .exitOverride()
    .action(async (options: { data?: string; port: string; host: string; db: string }) => {
      const { dev } = await import('./dev.ts');
      done(await dev({ data: options.data, host: options.host, port: portOf(options.port), db: options.db }));
    });

  on('create <name>', 'Make a database')
    .option('--strict', 'refuse attributes that were not defined')
    .option('--import', 'in import mode: transactions may carry their own times')
    .action(async (name: string, options: GlobalOptions & { strict?: boolean; import?: boolean }) => {
      const { create } = await import('./write.ts');
      await create(name, options);
    });
  on('transact [file]', 'Commit a transaction document, or one a line; - or nothing reads standard input').action(
    async (file: string | undefined, options: GlobalOptions) => {
      const { transact } = await import('./write.ts');
      done(await transact(file, options));
    },
  );
  on('live', 'End the import mode of a database').action(async (options: GlobalOptions) => {
    const { live } = await import('./write.ts');
    await live(options);
  });

  atMoment(on('entity <id>', 'The facts in force of an entity')).action(async (id: string, options: GlobalOptions) => {
    const { entity } = await import('./read.ts');
    done(await entity(id, options));
  });
  paged(atMoment(on('history <id>', 'Every fact of an entity, with who and why')))
    .option('--attribute <name>', 'of this attribute only')
    .action(async (id: string, options: GlobalOptions & { attribute?: string; limit: string }) => {
      const { history } = await import('./read.ts');
      await history(id, options);
    });
  for (const kind of ['state', 'facts'] as const) {
    const summary = kind === 'state' ? 'Facts in force, in index order' : 'Every fact of the log, in index order';
    paged(atMoment(on(kind, summary)))
      .addOption(new Option('--index <order>', 'index to list').choices(['eavt', 'aevt', 'avet', 'vaet']).default('eavt'))
      .option('--entity <id>', 'leading part of the index')
      .option('--attribute <name>', 'leading part of the index')
      .action(async (options: GlobalOptions & { index: 'eavt'; entity?: string; attribute?: string; limit: string }) => {
        const { list } = await import('./read.ts');
        await list(kind, options);
      });
  }
  paged(on('diff <from> <to>', 'Net difference of two moments')).action(async (from: string, to: string, options: GlobalOptions & { limit: string }) => {
    const { diff } = await import('./read.ts');
    await diff(from, to, options);
  });
  atMoment(on('schema', 'The attributes that are defined')).action(async (options: GlobalOptions) => {
    const { schema } = await import('./read.ts');
    await schema(options);
  });
  on('feed', 'Transactions as they came')
    .option('--from <offset>', '-1 (the beginning), now, tx:<tx> or an offset', '-1')
    .option('--follow', 'go on when the end is reached')
    .action(async (options: GlobalOptions & { from: string; follow?: boolean }) => {
      const { feed } = await import('./read.ts');
      await feed(options);
    });
  on('status', 'Log, index and storage of a database').action(async (options: GlobalOptions) => {
    const { status } = await import('./read.ts');
    await status(options);
  });

  on('import <kind> <path>', 'Load a history: import git PATH')
    .option('--ref <ref>', 'branch, tag or commit', 'HEAD')
    .option('--live', 'end import mode afterwards')
    .action(async (kind: string, path: string, options: GlobalOptions & { ref: string; live?: boolean }) => {
      if (kind !== 'git') throw new PyralogError('usage', `There is no import of ${JSON.stringify(kind)}; there is git.`);
      const { importCommand } = await import('./import.ts');
      done(await importCommand(path, options));
    });
  program
    .command('verify')
    .description('Read every byte of a data folder and tell what is damaged')
    .requiredOption('--data <dir>', 'the folder')
    .option('--json', 'for machines')
    .exitOverride()
    .action(async (options: { data: string; json?: boolean }) => {
      const { verify } = await import('./inspect.ts');
      done(await verify(options));
    });
  program
    .command('doctor')
    .description('Check this machine and a data folder or server')
    .option('--url <url>', 'the server to look at', process.env['PYRALOG_URL'] ?? DEFAULT_URL)
    .option('--data <dir>', 'the folder to look at')
    .exitOverride()
    .action(async (options: { url: string; data?: string }) => {
      const { doctor } = await import('./inspect.ts');
      done(await doctor(options));
    });
  program
    .command('demo')
    .description('Import the history of this repository and show what can be asked of it')
    .option('--data <dir>', 'folder for the database; default: one that is made anew', undefined)
    .argument('[path]', 'another repository')
    .exitOverride()
    .action(async (path: string | undefined, options: { data?: string }) => {
      const { demo } = await import('./demo.ts');
      done(await demo(path, options.data));
    });
  return program;
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new PyralogError('usage', `--port: ${JSON.stringify(text)} is no port, 0 to 65535.`);
}
