import { parseSync, type Program } from 'oxc-parser';

/** A file of the tree, its path from the root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** What a rule holds against a file; reads as a sentence behind the path. */
export interface Finding {
  readonly path: string;
  readonly what: string;
}

/** What a rule says of the tree. A rule that read nothing holds nothing. */
export interface Report {
  /** Files that the rule looked into, not only at. */
  readonly read: number;
  readonly findings: readonly Finding[];
}

/** Looks into each file. */
export function each(
  files: readonly SourceFile[],
  look: (file: SourceFile) => readonly string[],
): Report {
  return {
    read: files.length,
    findings: files.flatMap((file) => look(file).map((what) => ({ path: file.path, what }))),
  };
}

/** Tests and what only tests use. */
export const isTest = (path: string): boolean => /\.test\.ts$|\/testing\/|^test\//.test(path);

export interface ParsedFile extends SourceFile {
  /** Specifiers of what it imports and re-exports, dynamic imports of a literal included; each once. */
  readonly imports: readonly string[];
  readonly program: Program;
  /** Where its comments are, doc comments told apart. */
  readonly comments: readonly Comment[];
}

interface Comment {
  readonly doc: boolean;
  readonly start: number;
  readonly end: number;
}

const parsed = new WeakMap<SourceFile, ParsedFile>();

/** The syntax of a file; each file is parsed once, however many rules ask. */
export function parse(file: SourceFile): ParsedFile {
  let known = parsed.get(file);
  if (known === undefined) {
    const { program, module, comments, errors } = parseSync(file.path, file.text);
    if (errors.length > 0) throw new Error(`${file.path} cannot be parsed: ${errors[0]?.message}`);
    const statics = [
      ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
      ...module.staticExports.flatMap(({ entries }) =>
        entries.flatMap((entry) => entry.moduleRequest?.value ?? []),
      ),
    ];
    const dynamics = module.dynamicImports.flatMap(({ moduleRequest }) => {
      const text = file.text.slice(moduleRequest.start, moduleRequest.end);
      return /^['"][^'"]+['"]$/.test(text) ? [text.slice(1, -1)] : [];
    });
    known = {
      ...file,
      program,
      imports: [...new Set([...statics, ...dynamics])],
      comments: comments.map(({ type, value, start, end }) => ({
        doc: type === 'Block' && value.startsWith('*'),
        start,
        end,
      })),
    };
    parsed.set(file, known);
  }
  return known;
}

/** A node of the syntax tree, read with care: the rules look at a few kinds and walk through all. */
export type SyntaxNode = Readonly<Record<string, unknown>>;

export function isNode(value: unknown): value is SyntaxNode {
  return (
    typeof value === 'object' && value !== null && typeof (value as SyntaxNode)['type'] === 'string'
  );
}

/** Nodes directly below one. */
function childrenOf(node: SyntaxNode): SyntaxNode[] {
  return Object.values(node).flatMap((value) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [],
  );
}

/** Every node below and including one, parents first. */
export function* nodesOf(node: SyntaxNode): Generator<SyntaxNode> {
  yield node;
  for (const child of childrenOf(node)) yield* nodesOf(child);
}

/** The syntax tree as the rules walk it. */
export function rootOf(file: SourceFile): SyntaxNode {
  return parse(file).program as unknown as SyntaxNode;
}

/** `a`, `a.b`, `a['b']` of an expression, `a?.b` alike; undefined for anything that is not named so. */
export function nameOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  const { type, name, object, property, computed, expression } = node;
  if (type === 'Identifier') return name as string;
  if (type === 'ChainExpression' || type === 'ParenthesizedExpression') return nameOf(expression);
  if (type !== 'MemberExpression' || !isNode(property)) return undefined;
  const left = nameOf(object);
  const right = computed === true ? property['value'] : property['name'];
  return left === undefined || typeof right !== 'string' || property['type'] === 'PrivateIdentifier'
    ? undefined
    : `${left}.${right}`;
}

/** The text of a string literal, and of a template literal with its expressions left out. */
export function textOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node['type'] === 'Literal' && typeof node['value'] === 'string') return node['value'];
  if (node['type'] !== 'TemplateLiteral') return undefined;
  return quasisOf(node).join('');
}

/** The fixed parts of a template literal. */
export function quasisOf(node: SyntaxNode): string[] {
  const quasis = node['quasis'] as readonly { readonly value: { readonly cooked: string } }[];
  return quasis.map(({ value }) => value.cooked);
}
