import { readFileSync } from 'node:fs';
import { type CommitResult, printCommit } from '@pyralog/client';
import { formatNanos, PyralogError } from '@pyralog/model';
import { EXIT, type GlobalOptions, openHost, report, withDatabase } from './context.ts';
import { factTable, line, note, out } from './print.ts';

const STDIN = 0;

export async function create(name: string, options: GlobalOptions & { readonly strict?: boolean; readonly import?: boolean }): Promise<void> {
  await using host = await openHost(options);
  const made = await host.create(name, { strict: options.strict, mode: options.import === true ? 'import' : 'live' });
  if (options.json === true) line(JSON.stringify({ name, created: made === 'created' }));
  else line(made === 'created' ? `Created ${name}.` : `${name} exists with these settings.`);
}

export async function live(options: GlobalOptions): Promise<void> {
  await withDatabase(options, async (database) => {
    const { tx } = await database.goLive();
    line(options.json === true ? JSON.stringify({ tx: String(tx) }) : `${options.db} is live since ${formatNanos(tx)}.`);
  });
}

/** One JSON document, or one a line. Stops at the first that is refused and says which. */
export async function transact(file: string | undefined, options: GlobalOptions): Promise<number> {
  if ((file === undefined || file === '-') && process.stdin.isTTY) note('Reading a transaction document from the terminal; end with Ctrl-D.');
  const documents = documentsOf(read(file));
  return withDatabase(options, async (database) => {
    for (const [i, document] of documents.entries()) {
      try {
        show(await database.transact(document), options);
      } catch (error) {
        if (documents.length > 1) note(`Line ${i + 1} of ${documents.length} was refused; the lines before it are committed.`);
        return report(error);
      }
    }
    return EXIT.ok;
  });
}

function read(file: string | undefined): Uint8Array {
  try {
    return readFileSync(file === undefined || file === '-' ? STDIN : file);
  } catch (error) {
    throw new PyralogError('usage', `${file ?? 'standard input'} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A body in which every line is an object of its own is one document a line; any other is one document. */
function documentsOf(bytes: Uint8Array): Uint8Array[] {
  const lines = Buffer.from(bytes).toString('latin1').split('\n').filter((text) => text.trim() !== '');
  const apart = lines.length > 1 && lines.every((text) => /^\s*\{.*\}\s*$/.test(text));
  return apart ? lines.map((text) => Buffer.from(text, 'latin1')) : [bytes];
}

function show(result: CommitResult, { json }: GlobalOptions): void {
  if (json === true) return line(printCommit(result));
  line(`tx ${result.tx}  ${formatNanos(result.tx)}${result.duplicate ? '  (sent before; this is the first result)' : ''}`);
  for (const [temporary, entity] of result.ids) line(`${temporary} is ${entity}`);
  out(factTable(result.facts));
}

