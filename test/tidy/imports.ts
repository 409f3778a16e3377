import { posix } from 'node:path';
import { LAYERS, type LayerRow, NODE_IN_PURE, PROGRAMS } from './layers.ts';
import {
  each,
  type Finding,
  isNode,
  isTest,
  nameOf,
  nodesOf,
  parse,
  quasisOf,
  type Report,
  rootOf,
  type SourceFile,
} from './tree.ts';

function packageOf(path: string): readonly [string, LayerRow] | undefined {
  return Object.entries(LAYERS).find(([, { dir }]) => path.startsWith(`${dir}/src/`));
}

/** `@scope/name` or `name` of a bare import. */
function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Imports go only to the packages of the table; inside a package they are relative, with their ending. */
export function layerRule(files: readonly SourceFile[]): Report {
  const inPackages = files.filter(({ path }) => /^(libs|services)\//.test(path));
  return each(inPackages, (file) => {
    const owner = packageOf(file.path);
    if (owner === undefined) return ['lies in no package of the table'];
    const [name, layer] = owner;
    return parse(file).imports.flatMap(
      (specifier) => importFinding(file.path, specifier, name, layer) ?? [],
    );
  });
}

function importFinding(
  path: string,
  specifier: string,
  name: string,
  layer: LayerRow,
): string | undefined {
  if (specifier.startsWith('.')) return relativeFinding(path, specifier);
  if (specifier.startsWith('node:')) {
    const allowed = layer.reach !== 'pure' || isTest(path) || NODE_IN_PURE.includes(specifier);
    return allowed ? undefined : `imports ${specifier} in a pure package`;
  }
  const target = packageName(specifier);
  if (isTest(path) && ['vitest', 'fast-check'].includes(target)) return undefined;
  if (target === name) return `imports its own package by name`;
  if (!(target in LAYERS))
    return layer.thirdParty.includes(target)
      ? undefined
      : `imports ${target}, which is not a third-party package of ${name}`;
  if (!layer.internal.includes(target)) return `imports ${target}, which the table does not allow`;
  if (specifier.endsWith('/testing') && !isTest(path))
    return `imports ${specifier} outside of tests`;
  return undefined;
}

function relativeFinding(path: string, specifier: string): string | undefined {
  if (!/\.(ts|mjs)$|\/dist\/.+\.js$/.test(specifier))
    return `imports ${specifier} without its ending`;
  if (isTest(path)) return undefined;
  if (specifier.endsWith('/index.ts')) return `imports ${specifier}, the barrel of its own package`;
  if (isTest(posix.join(posix.dirname(path), specifier)))
    return `imports ${specifier} outside of tests`;
  return undefined;
}

/** Dependencies of a package are in the table, exact, and every one of them is imported. */
export function dependencyRule(
  packages: readonly SourceFile[],
  files: readonly SourceFile[],
): Report {
  return each(packages, ({ text }) => {
    const { name, dependencies = {} } = JSON.parse(text) as {
      name: string;
      dependencies?: Record<string, string>;
    };
    const layer = LAYERS[name];
    if (layer === undefined) return [`${name} has no line in the table`];
    const imported = new Set(
      files
        .filter((file) => file.path.startsWith(`${layer.dir}/src/`) && !isTest(file.path))
        .flatMap((file) => parse(file).imports.map(packageName)),
    );
    const declared = Object.entries(dependencies).flatMap(([dependency, version]) => {
      const allowed = dependency in LAYERS ? layer.internal : layer.thirdParty;
      return [
        ...(allowed.includes(dependency)
          ? []
          : [`depends on ${dependency}, which the table does not allow`]),
        ...(imported.has(dependency) ? [] : [`depends on ${dependency}, which nothing imports`]),
        ...(/^[0-9]/.test(version)
          ? []
          : [`takes ${dependency} ${version}: give an exact version`]),
      ];
    });
    const undeclared = [...imported].filter(
      (target) =>
        (target in LAYERS || layer.thirdParty.includes(target)) &&
        // tsx is the language of the tool chain, not of the product.
        target !== 'tsx' &&
        !(target in dependencies),
    );
    return [
      ...declared,
      ...undeclared.map((target) => `imports ${target} without depending on it`),
    ];
  });
}

interface PackageJson {
  readonly name: string;
  readonly exports?: Record<string, { readonly source?: string }>;
  readonly bin?: Record<string, string>;
  readonly scripts?: Record<string, string>;
}

/**
 * Every source file is reached from an entry: an export or command of a package, a test, a program, or what a script names;
 * and every script is named somewhere. A test reaches what it imports, so what only tests use counts as alive here: knip
 * tells them apart.
 * @param packages package.json files, the root's among them
 * @param scripts programs in other languages
 */
export function deadFileRule(
  files: readonly SourceFile[],
  packages: readonly SourceFile[],
  scripts: readonly SourceFile[],
): Report {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const exported = new Map<string, string>();
  const waiting = files
    .map(({ path }) => path)
    .filter((path) => /\.test\.ts$|^[^/]+\.config\.ts$/.test(path) || PROGRAMS.test(path));
  for (const { path, text } of packages) {
    const { name, exports = {}, bin = {} } = JSON.parse(text) as PackageJson;
    const at = (relative: string): string => posix.join(posix.dirname(path), relative);
    for (const [subpath, { source }] of Object.entries(exports))
      if (source !== undefined) exported.set(posix.join(name, subpath), at(source));
    for (const target of Object.values(bin))
      waiting.push(at(target).replace('/dist/', '/src/').replace(/\.js$/, '.ts'));
  }
  waiting.push(...exported.values());
  for (const { path, text } of [...packages, ...scripts])
    for (const [word] of text.matchAll(/[\w./-]+\.(?:ts|mjs)\b/g))
      waiting.push(posix.normalize(word), posix.join(posix.dirname(path), word));

  const alive = new Set<string>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const file = byPath.get(path);
    if (file === undefined || alive.has(path)) continue;
    alive.add(path);
    for (const specifier of parse(file).imports) {
      const target = specifier.startsWith('.')
        ? posix.join(posix.dirname(path), specifier)
        : exported.get(specifier);
      if (target !== undefined) waiting.push(target);
    }
    const named = namesOf(file);
    waiting.push(...[...byPath.keys()].filter((other) => named.some((is) => is(other))));
  }
  const texts = [...files, ...packages, ...scripts];
  const unnamed = scripts.filter(
    ({ path }) =>
      /\.(sh|py)$/.test(path) &&
      !texts.some((other) => other.path !== path && other.text.includes(posix.basename(path))),
  );
  return {
    read: files.length + scripts.length,
    findings: [
      ...files.filter(({ path }) => !alive.has(path)).map(({ path }) => path),
      ...unnamed.map(({ path }) => path),
    ].map((path): Finding => ({ path, what: 'is reached from no entry' })),
  };
}

/** Tells files that `new URL('./file', import.meta.url)` names; what a template leaves open is any part of a name. */
function namesOf(file: SourceFile): ((path: string) => boolean)[] {
  return [...nodesOf(rootOf(file))].flatMap((node) => {
    if (node['type'] !== 'NewExpression' || nameOf(node['callee']) !== 'URL') return [];
    const [target] = node['arguments'] as readonly unknown[];
    if (!isNode(target)) return [];
    const [start = '', ...rest] =
      target['type'] === 'TemplateLiteral' ? quasisOf(target) : [String(target['value'])];
    if (!/^\.\.?\/./.test(start)) return [];
    const first = posix.join(posix.dirname(file.path), start);
    const last = rest.at(-1);
    return [
      (path: string) =>
        last === undefined
          ? path === first
          : path.startsWith(first) &&
            path.endsWith(last) &&
            !path.slice(first.length, path.length - last.length).includes('/'),
    ];
  });
}
