import { type IndexOrder, PyralogError } from '@pyralog/model';
import { Command, InvalidArgumentError, Option } from 'commander';
import { VERSION } from '../version.ts';
import {
  clusterSettings,
  type EngineOptions,
  type ListenOptions,
  processOptions,
  withConfig,
} from './cluster-options.ts';
import { DEFAULT_URL, type GlobalOptions } from './context.ts';
import type { FeedOptions } from './feed.ts';
import type { ImportOptions } from './import.ts';
import type { Limited } from './paging.ts';
import type { HistoryOptions, ScanOptions } from './read.ts';
import type { VerifyOptions } from './verify.ts';
import type { CreateDatabaseOptions, TransactOptions } from './write.ts';

const OVERVIEW = `
Every command but dev and the roles talks to a server (--url, default ${DEFAULT_URL}) or opens a data
folder in its own process (--data). --json prints what the HTTP door would answer.

Examples:
  pyralog dev --data ./kb                            a database in ./kb and its HTTP door
  echo '{"ops":[{"entity":"paper:1","title":"Relativity"}]}' | pyralog transact
  pyralog entity paper:1 --as-of 2026-01-31          as it was
  pyralog history paper:1                            every fact, with who and why
  pyralog import git . --data ./kb                   the history of a repository

Exit status: 0 done, 1 refused by the database, 2 wrong usage, 3 cannot be reached.`;

/** Ports of the doors of processes that serve no databases. */
const MONITOR_PORTS = { sequencer: 4001, indexer: 4002 } as const;

/** Sets the exit status of a command that has ended. */
type Done = (status: number) => void;

/** All commands. What a command needs is loaded when it runs, so that help is quick. */
export function createProgram(done: Done): Command {
  const program = new Command('pyralog')
    .description(
      'An immutable knowledge database: facts go in, and every moment of the past stays readable.',
    )
    .version(VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'explain a command')
    .showHelpAfterError('Try --help.')
    .addHelpText('after', OVERVIEW);
  program.commandsGroup('Run:');
  addDev(program, done);
  program.commandsGroup('Run the roles of a cluster, a process each:');
  addRoles(program, done);
  program.commandsGroup('Write:');
  addWrites(program, done);
  program.commandsGroup('Read:');
  addReads(program, done);
  program.commandsGroup('Look after:');
  addCare(program, done);
  program.commandsGroup('Help:');
  return program;
}

function addDev(program: Command, done: Done): void {
  listening(
    engines(
      program
        .command('dev')
        .summary('everything in this process, served over HTTP')
        .description('Run everything in this process and serve it over HTTP, until Ctrl-C.')
        .addOption(
          new Option(
            '--data <dir>',
            'keep the data in this folder; without it nothing is kept',
          ).conflicts('kafka'),
        ),
    ),
    4000,
  )
    .option('--db <name>', 'database to make', 'main')
    .addHelpText(
      'after',
      examples(
        'pyralog dev',
        'pyralog dev --data ./kb --port 4001',
        'pyralog dev --kafka 127.0.0.1:9092 --s3 http://127.0.0.1:9000 --bucket knowledge',
      ),
    )
    .action(
      async (
        given: EngineOptions & ListenOptions & { data?: string; db: string },
        command: Command,
      ) => {
        const options = await withConfig(given, command);
        if (options.kafka === undefined) {
          const { dev } = await import('./dev.ts');
          const { data, port, host, db } = options;
          done(await dev({ data, host, port, db }));
          return;
        }
        const { runProcess } = await import('./roles.ts');
        done(await runProcess(processOptions('all', options)));
      },
    );
  program
    .command('demo')
    .summary('import a repository and ask questions of its past')
    .description(
      'Import the history of this clone, or of another repository, and show what can be asked of it.',
    )
    .argument('[path]', 'another repository')
    .option('--data <dir>', 'folder for the database; default: a new one')
    .action(async (path: string | undefined, options: { data?: string }) => {
      const { demo } = await import('./demo.ts');
      done(await demo(path, options.data));
    });
}

function addRoles(program: Command, done: Done): void {
  const role = (
    name: 'sequencer' | 'indexer' | 'api',
    summary: string,
    description: string,
    port: number,
  ): Command =>
    listening(engines(program.command(name).summary(summary).description(description)), port)
      .option('--db <name>', 'serve this database only (default: all)')
      .action(async (given: EngineOptions & ListenOptions & { db?: string }, command: Command) => {
        const options = await withConfig(given, command);
        const { runProcess } = await import('./roles.ts');
        done(await runProcess(processOptions(name, options)));
      });
  role(
    'sequencer',
    'give published transactions their outcome',
    'Own partitions: resolve what is published to Kafka, and write it to the commit log. Any number may run; partitions are shared out among them, and taken over from those that die.',
    MONITOR_PORTS.sequencer,
  ).addOption(
    new Option(
      '--format <format>',
      'what a record without the header pyralog-format is (or PYRALOG_FORMAT)',
    )
      .choices(['transaction', 'document', 'arrow'])
      .env('PYRALOG_FORMAT')
      .default('transaction'),
  );
  role(
    'indexer',
    'write segments and indexes, topics and views',
    'Turn the commit log into segments and indexes in the bucket, publish changes and rejects, and keep views in Redis. Any number may run; partitions are shared out among them.',
    MONITOR_PORTS.indexer,
  );
  role(
    'api',
    'serve databases over HTTP',
    'Serve the databases of a cluster over HTTP. Any number may run; each answers from the commit log that it follows, and from the bucket.',
    4000,
  );
}

function addWrites(program: Command, done: Done): void {
  where(
    program
      .command('create')
      .argument('<name>', '1 to 48 characters: a-z, 0-9 and -, beginning with a letter'),
  )
    .description('Make a database.')
    .summary('make a database')
    .option('--strict', 'refuse attributes that were not defined')
    .option('--import', 'in import mode: transactions may carry their own times')
    .option(
      '--partitions <count>',
      'how many sequencers can write at once, 1 to 64, fixed for good (default: 8 in a cluster, else 1)',
      partitionsOf,
    )
    .addHelpText(
      'after',
      examples('pyralog create papers', 'pyralog create archive --import --data ./kb'),
    )
    .action(async (name: string, options: CreateDatabaseOptions) => {
      const { create } = await import('./write.ts');
      await create(name, options);
    });
  database(
    program.command('transact').argument('[file]', 'a file; - or nothing reads standard input'),
  )
    .summary('commit transaction documents')
    .description('Commit one transaction document, a JSON array of them, or one a line (NDJSON).')
    .option('--keep-going', 'go on behind a refused document')
    .option('--facts', 'print the facts of each, where there are several')
    .option('--explain', 'tell where the time of each went: partitions, attempts, stages')
    .addHelpText(
      'after',
      examples(
        `echo '{"ops":[{"entity":"paper:1","title":"Relativity"}],"meta":{"author":"user:ada"}}' | pyralog transact`,
        'pyralog transact order.json',
        'pyralog transact --keep-going orders.ndjson',
        'pyralog transact --explain order.json',
      ),
    )
    .action(async (file: string | undefined, options: TransactOptions) => {
      const { transact } = await import('./write.ts');
      done(await transact(file, options));
    });
  const imports = program
    .command('import')
    .summary('load a history: import git PATH')
    .description('Load a history from elsewhere.');
  const git = imports
    .command('git')
    .argument('<path>', 'folder of a repository, with or without a work tree')
    .summary('the history of a git repository')
    .description(
      'Load the history of a git repository: each commit of the first-parent chain is a transaction at its own time, each file an entity path:…, each commit an entity commit:…. A second run loads what is new; a run that was cut off goes on.',
    );
  where(git)
    .option('--db <name>', 'the database; default: named after the repository, made in import mode')
    .option('--ref <ref>', 'branch, tag or commit', 'HEAD')
    .option('--live', 'end the import mode of the database afterwards')
    .addHelpText(
      'after',
      examples(
        'pyralog import git . --data ./kb',
        'pyralog import git ../linux --ref v6.1 --db linux',
        'pyralog history path:README.md --db linux',
      ),
    )
    .action(async (path: string, options: ImportOptions) => {
      const { importCommand } = await import('./import.ts');
      done(await importCommand(path, options));
    });
  database(program.command('live'))
    .summary('end the import mode of a database')
    .description(
      'End the import mode of a database: from now on transactions get the time of their commit. There is no way back.',
    )
    .action(async (options: GlobalOptions) => {
      const { live } = await import('./write.ts');
      await live(options);
    });
}

function addReads(program: Command, done: Done): void {
  atMoment(database(program.command('entity').argument('<id>')))
    .summary('what is in force of an entity')
    .description(
      'The facts in force of an entity, now or at a moment. Exit status 1 where there is none.',
    )
    .addHelpText(
      'after',
      examples('pyralog entity paper:1', 'pyralog entity paper:1 --as-of 2026-01-31T12:00:00Z'),
    )
    .action(async (id: string, options: GlobalOptions) => {
      const { entity } = await import('./read.ts');
      done(await entity(id, options));
    });
  limited(atMoment(database(program.command('history').argument('<id>'))))
    .summary('every fact of an entity, with who and why')
    .description('Every fact about an entity, oldest first, with who wrote it and why.')
    .option('--attribute <name>', 'of this attribute only')
    .option('--from <moment>', 'from this moment on')
    .option('--to <moment>', 'up to this moment')
    .action(async (id: string, options: HistoryOptions) => {
      const { history } = await import('./read.ts');
      await history(id, options);
    });
  addScan(
    program,
    'state',
    'facts in force, in index order',
    'The facts in force, now or at a moment, in the order of an index.',
  );
  addScan(
    program,
    'facts',
    'every fact of the log, in index order',
    'Every fact of the log, retractions and the schema included, in the order of an index.',
  );
  limited(
    database(
      program
        .command('diff')
        .argument('<from>', 'a moment: tx, instant or date')
        .argument('<to>', 'a later one'),
    ),
  )
    .summary('net difference of two moments')
    .description('The facts in force at one moment and not at the other.')
    .addHelpText('after', examples('pyralog diff 2026-01-01 2026-02-01'))
    .action(async (from: string, to: string, options: GlobalOptions & Limited) => {
      const { diff } = await import('./read.ts');
      await diff(from, to, options);
    });
  atMoment(database(program.command('schema')))
    .summary('the attributes, now or at a moment')
    .description('The attributes that are defined, or were inferred from their first use.')
    .option('--built-in', 'with the built-in ones')
    .action(async (options: GlobalOptions & { builtIn?: boolean }) => {
      const { schema } = await import('./read.ts');
      await schema(options);
    });
  database(program.command('feed'))
    .summary('transactions as they came, and as they come')
    .description(
      'Whole transactions in the order of their tx, from any position; resumable at the offset that stands at the end.',
    )
    .option(
      '--from <offset>',
      '-1 (the beginning), now, tx:<tx> (after it), or an offset of this feed',
      '-1',
    )
    .option('--follow', 'go on when the end is reached, until Ctrl-C')
    .option('--entity <id>', 'facts of this entity only')
    .option('--attribute <name>', 'facts of this attribute only')
    .option('--prefix <text>', 'facts of entities that begin so')
    .addHelpText(
      'after',
      examples(
        'pyralog feed --follow --from now',
        'pyralog feed --json --prefix paper: | jq .facts',
      ),
    )
    .action(async (options: FeedOptions) => {
      const { feed } = await import('./feed.ts');
      await feed(options);
    });
}

function addScan(
  program: Command,
  kind: 'state' | 'facts',
  summary: string,
  description: string,
): void {
  limited(atMoment(database(program.command(kind))))
    .summary(summary)
    .description(description)
    .addOption(
      new Option(
        '--index <order>',
        'its letters name the order: entity, attribute, value, transaction',
      )
        .choices(['eavt', 'aevt', 'avet', 'vaet'])
        .default('eavt'),
    )
    .option('--entity <id>', 'leading part of the index')
    .option('--attribute <name>', 'leading part of the index')
    .option('--value <value>', 'leading part of the index: JSON, or text where it is none')
    .option('--value-from <value>', 'values from this one on')
    .option('--value-to <value>', 'values below this one')
    .addHelpText(
      'after',
      examples(
        `pyralog ${kind} --entity paper:1`,
        `pyralog ${kind} --index aevt --attribute paper/title --limit all`,
        `pyralog ${kind} --index vaet --value person:1    what refers to person:1`,
      ),
    )
    .action(async (options: ScanOptions & { index: IndexOrder }) => {
      const { scan } = await import('./read.ts');
      await scan(kind, options);
    });
}

function addCare(program: Command, done: Done): void {
  where(program.command('status'))
    .summary('log, index and storage of the databases')
    .description('Log, index and storage of one database, or of all.')
    .option('--db <name>', 'this one only')
    .action(async (options: Omit<GlobalOptions, 'db'> & { db?: string }) => {
      const { status } = await import('./status.ts');
      await status(options);
    });
  engines(where(program.command('doctor')))
    .summary('check this machine and a data folder, a server or the engines of a cluster')
    .description(
      'Check this machine and a data folder or server, or the engines of a cluster, and say what to do about what is wrong.',
    )
    .addHelpText(
      'after',
      examples(
        'pyralog doctor --data ./kb',
        'pyralog doctor --kafka 127.0.0.1:9092 --s3 http://127.0.0.1:9000 --bucket knowledge',
      ),
    )
    .action(async (given: GlobalOptions & EngineOptions, command: Command) => {
      const options = await withConfig(given, command);
      const { doctor } = await import('./doctor.ts');
      const cluster = options.kafka === undefined ? undefined : clusterSettings(options);
      done(await doctor({ ...options, cluster }));
    });
  program
    .command('rebuild')
    .summary('make views anew: rebuild --views')
    .description(
      'Empty what is made of the database, to be made anew. Views are loaded again by the indexer that keeps them.',
    )
    .requiredOption('--views', 'the views in Redis')
    .option('--db <name>', 'the database (or PYRALOG_DB)', process.env['PYRALOG_DB'] ?? 'main')
    .addOption(
      new Option('--redis <url>', 'where they are (or PYRALOG_REDIS)').env('PYRALOG_REDIS'),
    )
    .addHelpText('after', examples('pyralog rebuild --views --redis redis://127.0.0.1:6379'))
    .action(async (options: { db: string; redis?: string }) => {
      const { rebuildViews } = await import('./rebuild.ts');
      done(await rebuildViews({ db: options.db, redis: options.redis }));
    });
  program
    .command('verify')
    .summary('read every byte of a data folder or a bucket')
    .description(
      'Read every file of a data folder, or of the bucket of a cluster, check all of its checksums, and name what is damaged or missing. Servers may go on meanwhile.',
    )
    .option('--data <dir>', 'the folder')
    .addOption(
      new Option(
        '--s3 <url>',
        "address of the object store (or PYRALOG_S3; default: Amazon's); keys as in AWS_ACCESS_KEY_ID",
      ).env('PYRALOG_S3'),
    )
    .addOption(
      new Option('--bucket <name>', 'bucket, or bucket/prefix (or PYRALOG_BUCKET)').env(
        'PYRALOG_BUCKET',
      ),
    )
    .option('--db <name>', 'one database (default: all)')
    .option('--json', 'for machines')
    .addHelpText(
      'after',
      examples(
        'pyralog verify --data ./kb',
        'pyralog verify --s3 http://127.0.0.1:9000 --bucket knowledge',
      ),
    )
    .action(async (options: VerifyOptions, command: Command) => {
      if (options.data !== undefined && command.getOptionValueSource('bucket') === 'cli')
        throw new PyralogError('usage', 'A folder and a bucket are not read at once.', {
          hint: 'Give --data or --bucket.',
        });
      const { verify } = await import('./verify.ts');
      done(await verify(options));
    });
}

/** Options that say where the engines of a cluster are. */
function engines(command: Command): Command {
  return command
    .addOption(
      new Option('--kafka <addresses>', 'brokers, host:port,… (or PYRALOG_KAFKA)').env(
        'PYRALOG_KAFKA',
      ),
    )
    .addOption(
      new Option(
        '--s3 <url>',
        "address of the object store (or PYRALOG_S3; default: Amazon's); keys as in AWS_ACCESS_KEY_ID",
      ).env('PYRALOG_S3'),
    )
    .addOption(
      new Option('--bucket <name>', 'bucket, or bucket/prefix (or PYRALOG_BUCKET)').env(
        'PYRALOG_BUCKET',
      ),
    )
    .addOption(
      new Option('--redis <url>', 'keep views there (or PYRALOG_REDIS)').env('PYRALOG_REDIS'),
    )
    .addOption(
      new Option(
        '--replication <count>',
        'copies of each topic that is made (or PYRALOG_REPLICATION)',
      )
        .env('PYRALOG_REPLICATION')
        .argParser(replicationOf)
        .default(1),
    )
    .addOption(
      new Option(
        '--config <file>',
        'a JSON file with any of these options (or PYRALOG_CONFIG)',
      ).env('PYRALOG_CONFIG'),
    );
}

function listening(command: Command, port: number): Command {
  return command
    .addOption(
      new Option('--port <port>', 'port to listen on; 0 takes any free one (or PYRALOG_PORT)')
        .env('PYRALOG_PORT')
        .argParser(portOf)
        .default(port),
    )
    .addOption(
      new Option(
        '--host <address>',
        'address to listen on; others than loopback open it to the network (or PYRALOG_HOST)',
      )
        .env('PYRALOG_HOST')
        .default('127.0.0.1'),
    );
}

/** Options that say where the databases are. */
function where(command: Command): Command {
  return command
    .addOption(
      new Option('--url <url>', 'the server to talk to (or PYRALOG_URL)').default(
        process.env['PYRALOG_URL'] ?? DEFAULT_URL,
      ),
    )
    .addOption(
      new Option('--data <dir>', 'open this folder in this process instead').conflicts('url'),
    )
    .option('--json', 'for machines');
}

function database(command: Command): Command {
  return where(command).option(
    '--db <name>',
    'the database (or PYRALOG_DB)',
    process.env['PYRALOG_DB'] ?? 'main',
  );
}

function atMoment(command: Command): Command {
  return command.option(
    '--as-of <moment>',
    'read the past: a tx, an instant (2026-01-31T12:00:00Z) or a date',
  );
}

function limited(command: Command): Command {
  return command
    .option(
      '--limit <rows>',
      'rows at most, or "all" (default: 100 in a table, all with --json)',
      limitOf,
    )
    .option('--cursor <cursor>', 'go on where an earlier list ended');
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((each) => `  ${each}`).join('\n')}`;
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^[0-9]+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('A port is a number from 0 to 65535.');
}

function partitionsOf(text: string): number {
  if (/^[1-9][0-9]?$/.test(text) && Number(text) <= 64) return Number(text);
  throw new InvalidArgumentError('A number of partitions is 1 to 64.');
}

function replicationOf(text: string): number {
  if (/^[1-9][0-9]?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('A number of copies is 1 or more; 3 where data matter.');
}

function limitOf(text: string): string {
  if (/^(?:all|[1-9][0-9]{0,9})$/.test(text)) return text;
  throw new InvalidArgumentError('A limit is a number from 1 on, or "all".');
}
