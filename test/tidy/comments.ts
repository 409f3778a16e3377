import { posix } from 'node:path';
import {
  each,
  nameOf,
  nodesOf,
  parse,
  type ParsedFile,
  type Report,
  rootOf,
  type SourceFile,
  type SyntaxNode,
} from './tree.ts';

/** No test is alone, and no word of unfinished work stays. */
export function leftoverRule(files: readonly SourceFile[]): Report {
  const words = new RegExp(
    ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].map((word) => `\\b${word}\\b`).join('|'),
  );
  return each(files, (file) => {
    const word = words.exec(file.text)?.[0];
    const alone = file.path.endsWith('.ts') && [...nodesOf(rootOf(file))].some(isAlone);
    return [
      ...(alone ? ['runs a test alone (.only)'] : []),
      ...(word === undefined ? [] : [`has ${word}: do it, or write down why not`]),
    ];
  });
}

function isAlone(node: SyntaxNode): boolean {
  return (
    node['type'] === 'MemberExpression' &&
    /^(test|it|describe|suite)\..*\bonly$/.test(`${nameOf(node)}`)
  );
}

/**
 * What a library gives to others has a doc comment: every export that can be reached from an entry of its package. Constants
 * line by line share the comment above the first.
 * @param packages package.json files of libraries
 */
export function docRule(packages: readonly SourceFile[], files: readonly SourceFile[]): Report {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const read = new Set<string>();
  const undocumented = new Set<string>();
  const look = (path: string, wanted: (name: string) => boolean): void => {
    const file = byPath.get(path);
    if (file === undefined) return;
    read.add(path);
    for (const statement of parse(file).program.body as unknown as readonly SyntaxNode[]) {
      const { type, source, declaration, specifiers } = statement;
      const from = textOfSource(source);
      if (from?.startsWith('.')) {
        const target = posix.join(posix.dirname(path), from);
        if (type === 'ExportAllDeclaration') look(target, wanted);
        if (type !== 'ExportNamedDeclaration') continue;
        const names = new Set(
          (specifiers as readonly SyntaxNode[])
            .filter(({ exported }) => wanted(`${nameOf(exported)}`))
            .map(({ local }) => nameOf(local)),
        );
        look(target, (name) => names.has(name));
      } else if (type === 'ExportNamedDeclaration' && declaration !== null) {
        if (isDocumented(parse(file), statement)) continue;
        for (const name of namesOf(declaration as SyntaxNode))
          if (wanted(name)) undocumented.add(`${path} ${name}`);
      }
    }
  };
  for (const { path, text } of packages) {
    const { exports = {} } = JSON.parse(text) as {
      exports?: Record<string, { readonly source?: string }>;
    };
    for (const { source } of Object.values(exports))
      if (source !== undefined) look(posix.join(posix.dirname(path), source), () => true);
  }
  return {
    read: read.size,
    findings: [...undocumented].map((each) => {
      const [path = '', name = ''] = each.split(' ');
      return { path, what: `gives ${name} to others without a doc comment` };
    }),
  };
}

function textOfSource(source: unknown): string | undefined {
  return (source as { readonly value?: string } | null | undefined)?.value;
}

function namesOf(declaration: SyntaxNode): string[] {
  const declarators = declaration['declarations'];
  const named = Array.isArray(declarators) ? (declarators as SyntaxNode[]) : [declaration];
  return named.flatMap(({ id }) => nameOf(id) ?? []);
}

function isDocumented(file: ParsedFile, statement: SyntaxNode): boolean {
  const start = statement['start'] as number;
  const comment = file.comments.findLast(({ end }) => end <= start);
  if (comment?.doc === true && file.text.slice(comment.end, start).trim() === '') return true;
  // The line before, of the same kind.
  const above = (file.program.body as unknown as readonly SyntaxNode[]).findLast(
    (other) => (other['end'] as number) <= start,
  );
  return (
    above !== undefined &&
    isConstant(above) &&
    isConstant(statement) &&
    /^\n$/.test(file.text.slice(above['end'] as number, start)) &&
    isDocumented(file, above)
  );
}

function isConstant({ type, declaration }: SyntaxNode): boolean {
  return (
    type === 'ExportNamedDeclaration' &&
    (declaration as SyntaxNode | null)?.['type'] === 'VariableDeclaration'
  );
}
