import { type Ban, BANS, EXCEPTIONS, LAYERS, type LayerRow } from './layers.ts';
import {
  isNode,
  isTest,
  nameOf,
  nodesOf,
  type Report,
  rootOf,
  type SourceFile,
  type SyntaxNode,
} from './tree.ts';

/** Names of the table are not said where they are banned, and no exception outlives its use. */
export function banRule(
  files: readonly SourceFile[],
  exceptions: typeof EXCEPTIONS = EXCEPTIONS,
): Report {
  const stale = new Set(exceptions);
  const findings: { path: string; what: string }[] = [];
  const sources = files.filter(({ path }) => !isTest(path) && layerOf(path) !== undefined);
  for (const file of sources) {
    const layer = layerOf(file.path) as LayerRow;
    for (const [name, ban] of bannedIn(file, layer)) {
      const exception = exceptions.find((row) => row.path === file.path && row.name === name);
      if (exception !== undefined) stale.delete(exception);
      else findings.push({ path: file.path, what: `says ${name}: use ${ban.instead}` });
    }
  }
  for (const { path, name } of stale)
    findings.push({ path, what: `is excepted from the ban of ${name}, which it does not say` });
  return { read: sources.length, findings };
}

function layerOf(path: string): LayerRow | undefined {
  return Object.values(LAYERS).find(({ dir }) => path.startsWith(`${dir}/src/`));
}

function bannedIn(file: SourceFile, layer: LayerRow): Map<string, Ban> {
  const found = new Map<string, Ban>();
  const said = [...namesSaid(rootOf(file))];
  for (const ban of BANS.filter((each) => each.bannedIn(layer)))
    for (const name of ban.names)
      if (said.some((other) => other === name || other.startsWith(`${name}.`)))
        found.set(name, ban);
  return found;
}

/**
 * Names of globals and of Node's modules that a file says: `Date.now`; `crypto.randomUUID` for a named import of it too;
 * `fs` for the import of the module; `new Date`, and `new Date()` or `Date()` where there are no arguments. A name that the
 * file binds itself is its own everywhere in the file: the linter knows scopes better, and has the globals in its own list.
 */
function namesSaid(program: SyntaxNode): ReadonlySet<string> {
  const said = new Set<string>();
  const own = new Set<string>();
  /** Local names of whole modules. */
  const modules = new Map<string, string>();
  for (const node of nodesOf(program)) {
    for (const pattern of patternsOf(node)) for (const name of namesBound(pattern)) own.add(name);
    for (const { module, name, local } of importsOf(node)) {
      said.add(name === undefined ? module : `${module}.${name}`);
      if (local === undefined) continue;
      if (name === undefined) modules.set(local, module);
      else own.add(local);
    }
  }
  const say = (written: string, call = { made: '', bare: '' }): void => {
    const name = written.replace(/^(?:globalThis|global)\./, '');
    const [root = ''] = name.split('.', 1);
    if (own.has(root)) return;
    const full = (modules.get(root) ?? root) + name.slice(root.length);
    said.add(call.made + full);
    said.add(call.made + full + call.bare);
  };
  visit(program, say);
  return said;
}

/** Expressions that are names, and what is called by name; types, keys and imports are neither. */
function visit(
  node: SyntaxNode,
  say: (name: string, call?: { readonly made: string; readonly bare: string }) => void,
): void {
  const type = node['type'] as string;
  if (type === 'ImportDeclaration' || type === 'ExportAllDeclaration') return;
  if (type === 'ExportNamedDeclaration' && isNode(node['source'])) return;
  if (type.startsWith('TS')) {
    // `x as T` and the like; other nodes of TypeScript are types.
    if (isNode(node['expression'])) visit(node['expression'], say);
    return;
  }
  const name = nameOf(node);
  if (name !== undefined) return say(name);
  const callee = nameOf(node['callee']);
  if (callee !== undefined)
    say(callee, {
      made: type === 'NewExpression' ? 'new ' : '',
      bare: (node['arguments'] as readonly unknown[]).length === 0 ? '()' : '',
    });
  for (const [key, value] of Object.entries(node)) {
    const isKey = key === 'key' || key === 'property' || key === 'exported' || key === 'label';
    if (isKey && node['computed'] !== true) continue;
    for (const child of Array.isArray(value) ? value : [value])
      if (isNode(child)) visit(child, say);
  }
}

/** What a node takes from Node's modules: one name, or (without `name`) the whole module. */
function importsOf(
  node: SyntaxNode,
): readonly { readonly module: string; readonly name?: string; readonly local?: string }[] {
  const { source, specifiers } = node;
  if (!isNode(source) || node['importKind'] === 'type' || node['exportKind'] === 'type') return [];
  const module = /^node:(.+)$/.exec(String(source['value']))?.[1];
  if (module === undefined) return [];
  if (!Array.isArray(specifiers) || specifiers.length === 0) return [{ module }];
  return (specifiers as SyntaxNode[])
    .filter((each) => each['importKind'] !== 'type' && each['exportKind'] !== 'type')
    .map((specifier) => {
      const isExport = specifier['type'] === 'ExportSpecifier';
      const name = nameOf(isExport ? specifier['local'] : specifier['imported']);
      const local = isExport ? undefined : nameOf(specifier['local']);
      return {
        module,
        ...(name === undefined || name === 'default' ? {} : { name }),
        ...(local === undefined ? {} : { local }),
      };
    });
}

/** Patterns whose names a node binds; imports that are not Node's among them. */
function patternsOf(node: SyntaxNode): readonly unknown[] {
  switch (node['type']) {
    case 'VariableDeclarator':
    case 'ClassDeclaration':
    case 'ClassExpression':
      return [node['id']];
    case 'CatchClause':
      return [node['param']];
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return [node['id'], ...(node['params'] as readonly unknown[])];
    case 'ImportDeclaration':
      return importsOf(node).length > 0
        ? []
        : (node['specifiers'] as readonly SyntaxNode[]).map(({ local }) => local);
    default:
      return [];
  }
}

function namesBound(pattern: unknown): readonly string[] {
  if (!isNode(pattern)) return [];
  switch (pattern['type']) {
    case 'Identifier':
      return [pattern['name'] as string];
    case 'AssignmentPattern':
      return namesBound(pattern['left']);
    case 'RestElement':
      return namesBound(pattern['argument']);
    case 'ArrayPattern':
      return (pattern['elements'] as readonly unknown[]).flatMap(namesBound);
    case 'ObjectPattern':
      return (pattern['properties'] as readonly SyntaxNode[]).flatMap((property) =>
        namesBound(property['type'] === 'RestElement' ? property : property['value']),
      );
    default:
      return [];
  }
}
