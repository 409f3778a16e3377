import {
  each,
  type Finding,
  nameOf,
  nodesOf,
  parse,
  type Report,
  rootOf,
  type SourceFile,
  textOf,
} from './tree.ts';

/** Links of documents lead to files that are there. */
export function linkRule(
  documents: readonly SourceFile[],
  exists: (path: string) => boolean,
): Report {
  return each(documents, ({ path, text }) =>
    linksOf(path, text)
      .filter((target) => !exists(target))
      .map((target) => `links to ${target}, which is not there`),
  );
}

/** Targets of relative links, from the root. */
function linksOf(path: string, text: string): string[] {
  return [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => new URL(target, `file:///${path}`).pathname.slice(1));
}

/** Files that comments point to are there. */
export function referenceRule(
  files: readonly SourceFile[],
  exists: (path: string) => boolean,
): Report {
  return each(files, (file) =>
    parse(file).comments.flatMap(({ start, end }) =>
      [
        ...file.text
          .slice(start, end)
          .matchAll(/(?<![\w/.-])(?:libs|services|test|docs|infra|examples)\/[\w./-]+\.\w+/g),
      ]
        .map(([target]) => target)
        .filter((target) => !exists(target))
        .map((target) => `points to ${target}, which is not there`),
    ),
  );
}

/** Tables of invariants, rows `| I3 | what holds | … | tested in |`: the one that has all of a letter. */
const INVARIANTS: Readonly<Record<string, string>> = {
  I: 'docs/invariants.md',
  T: 'libs/sequencing/SPEC.md',
};
const indexOf = (id: string): string => `${INVARIANTS[id.charAt(0)]}`;
const LATER = 'later';

interface InvariantRow {
  readonly path: string;
  readonly id: string;
  /** Its last cell: `later`, or where its tests are. */
  readonly tested: string;
}

/**
 * Every invariant of a table has a test whose title names it, in each file that its row links to; one that
 * is due later says so and has none yet; and every id in a title is in the table of its letter, which
 * leaves out no number.
 * @param documents docs/invariants.md and every SPEC.md
 * @param tests files with tests
 */
export function invariantRule(
  documents: readonly SourceFile[],
  tests: readonly SourceFile[],
): Report {
  const findings: Finding[] = [];
  const titled = new Map<string, Set<string>>();
  for (const file of tests)
    for (const id of titlesOf(file).flatMap(idsOf))
      titled.set(id, (titled.get(id) ?? new Set()).add(file.path));
  const rows = documents.flatMap(rowsOf);
  const known = new Set(rows.filter(({ path, id }) => path === indexOf(id)).map(({ id }) => id));
  for (const [letter, path] of Object.entries(INVARIANTS)) {
    const ids = [...known].filter((id) => id.startsWith(letter));
    const gap = ids.findIndex((id, i) => id !== `${letter}${i + 1}`);
    if (gap >= 0) findings.push({ path, what: `has no ${letter}${gap + 1} in its place` });
  }
  for (const { path, id, tested } of rows) {
    const say = (what: string): void => void findings.push({ path, what: `${id} ${what}` });
    const [one] = titled.get(id) ?? [];
    if (!known.has(id)) say(`is not in ${indexOf(id)}`);
    if (tested === LATER && one !== undefined) say(`is marked ${LATER}, but ${one} tests it`);
    if (tested !== LATER && one === undefined) say('has no test whose title names it');
    for (const target of linksOf(path, tested))
      if (titled.get(id)?.has(target) !== true) say(`is named by no title in ${target}`);
  }
  for (const [id, paths] of titled)
    if (!known.has(id))
      for (const path of paths)
        findings.push({ path, what: `has ${id} in a title, which is not in ${indexOf(id)}` });
  return { read: rows.length, findings };
}

const idsOf = (text: string): string[] => text.match(/\b[IT][0-9]+\b/g) ?? [];

function rowsOf({ path, text }: SourceFile): InvariantRow[] {
  return [...text.matchAll(/^\| *([IT][0-9]+) *\|(.*)\| *$/gm)].map(([, id = '', cells = '']) => ({
    path,
    id,
    tested: cells.slice(cells.lastIndexOf('|') + 1).trim(),
  }));
}

/** Titles of tests and groups, those of tables and with options included. */
function titlesOf(file: SourceFile): string[] {
  return [...nodesOf(rootOf(file))].flatMap((node) => {
    if (node['type'] !== 'CallExpression' || !isTester(node['callee'])) return [];
    return textOf((node['arguments'] as readonly unknown[])[0]) ?? [];
  });
}

function isTester(callee: unknown): boolean {
  const name = nameOf(callee);
  if (name !== undefined) return /^(test|it|describe)(\.\w+)*$/.test(name);
  // `test.each(rows)(title, …)`
  const inner = (callee as Record<string, unknown> | null)?.['callee'];
  return inner !== undefined && isTester(inner);
}

/** The blocks of code of a document that are in a language. */
export function blocksOf(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , body = '']) => body.trim());
}

/** The README begins with the demonstration and the tests, and continuous integration runs the latter and no more. */
export function commandRule(readme: SourceFile, integration: SourceFile): Report {
  const blocks = blocksOf(readme.text, 'sh');
  const commands = integration.text
    .split('\n')
    .filter((line) => !/^(#|set |cd |\s*$)/.test(line))
    .map((line) => line.trim());
  const findings: Finding[] = [];
  if (blocks[0] !== './pyralog demo')
    findings.push({ path: readme.path, what: `has ${blocks[0]} as its first command` });
  if (commands.length !== 1 || commands[0] !== blocks[1])
    findings.push({
      path: integration.path,
      what: `runs ${commands.join('; ')}, not the second command of ${readme.path}: ${blocks[1]}`,
    });
  return { read: blocks.length + commands.length, findings };
}

/** The document of the house that names every script of the root. */
export function scriptRule(document: SourceFile, root: SourceFile): Report {
  const { scripts } = JSON.parse(root.text) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const told = new Set(
    [...document.text.matchAll(/`npm (?:run ([\w:-]+)|(test))\b[^`]*`/g)].map(
      ([, name, test]) => name ?? `${test}`,
    ),
  );
  const names = Object.keys(scripts);
  return {
    read: names.length,
    findings: [
      ...names
        .filter((name) => !told.has(name))
        .map((name) => ({ path: document.path, what: `does not tell of npm run ${name}` })),
      ...[...told]
        .filter((name) => !names.includes(name))
        .map((name) => ({
          path: document.path,
          what: `tells of npm run ${name}, which is not there`,
        })),
    ],
  };
}
