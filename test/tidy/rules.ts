import { parseSync, type Program } from 'oxc-parser';
import { BANNED_IN_PURE, LAYERS, type LayerRow, NODE_IN_PURE } from './layers.ts';

/** A file of the tree, its path from the root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export interface Finding {
  readonly path: string;
  readonly what: string;
}

interface ParsedFile extends SourceFile {
  readonly imports: readonly string[];
  readonly program: Program;
}

const parsed = new WeakMap<SourceFile, ParsedFile>();

function parse(file: SourceFile): ParsedFile {
  let known = parsed.get(file);
  if (known === undefined) {
    const { program, module } = parseSync(file.path, file.text);
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
    known = { ...file, program, imports: [...new Set([...statics, ...dynamics])] };
    parsed.set(file, known);
  }
  return known;
}

function packageOf(path: string): readonly [string, LayerRow] | undefined {
  return Object.entries(LAYERS).find(([, { dir }]) => path.startsWith(`${dir}/src/`));
}

const isTest = (path: string): boolean => /\.test\.ts$|\/testing\//.test(path);

/** `@scope/name` or `name` of a bare import. */
function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Imports go only to the packages of the table; inside a package they are relative, with their ending. */
export function layerRule(files: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    const owner = packageOf(file.path);
    if (owner === undefined) {
      if (/^(libs|services)\//.test(file.path))
        findings.push({ path: file.path, what: 'lies in no package of the table' });
      continue;
    }
    const [name, layer] = owner;
    for (const specifier of parse(file).imports) {
      const found = importFinding(file.path, specifier, name, layer);
      if (found !== undefined) findings.push({ path: file.path, what: found });
    }
  }
  return findings;
}

function importFinding(
  path: string,
  specifier: string,
  name: string,
  layer: LayerRow,
): string | undefined {
  if (specifier.startsWith('.')) {
    if (!/\.(ts|mjs)$/.test(specifier)) return `imports ${specifier} without its ending`;
    if (specifier.endsWith('/index.ts') && !isTest(path))
      return `imports ${specifier}, the barrel of its own package`;
    return undefined;
  }
  if (specifier.startsWith('node:')) {
    const allowed =
      !layer.pure || isTest(path) || NODE_IN_PURE.includes(specifier) || specifier === 'node:util';
    return allowed ? undefined : `imports ${specifier} in a pure package`;
  }
  const target = packageName(specifier);
  if (isTest(path) && ['vitest', 'fast-check'].includes(target)) return undefined;
  if (target === name) return `imports its own package by name`;
  if (target in LAYERS)
    return layer.internal.includes(target)
      ? undefined
      : `imports ${target}, which the table does not allow`;
  return layer.thirdParty.includes(target)
    ? undefined
    : `imports ${target}, which is not a third-party package of ${name}`;
}

/** Pure packages call nothing that knows the time, chance or the world. */
export function purityRule(files: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    const owner = packageOf(file.path);
    if (owner === undefined || !owner[1].pure || isTest(file.path)) continue;
    walk(parse(file).program, (node) => {
      const called = node['type'] === 'CallExpression' ? nameOf(node['callee']) : undefined;
      const instead =
        called !== undefined && Object.hasOwn(BANNED_IN_PURE, called)
          ? BANNED_IN_PURE[called]
          : undefined;
      if (instead !== undefined)
        findings.push({ path: file.path, what: `calls ${called}: use ${instead}` });
      const made = node['type'] === 'NewExpression' ? nameOf(node['callee']) : undefined;
      if (made === 'Date')
        findings.push({
          path: file.path,
          what: 'makes a Date: take the time as data (Clock port)',
        });
    });
  }
  return findings;
}

/** Dependencies of a package are in the table, and every one of them is imported. */
export function dependencyRule(
  packages: readonly SourceFile[],
  files: readonly SourceFile[],
): Finding[] {
  const findings: Finding[] = [];
  for (const { path, text } of packages) {
    const { name, dependencies = {} } = JSON.parse(text) as {
      name: string;
      dependencies?: Record<string, string>;
    };
    const layer = LAYERS[name];
    if (layer === undefined) {
      findings.push({ path, what: `${name} has no line in the table` });
      continue;
    }
    const imported = new Set(
      files
        .filter((file) => file.path.startsWith(`${layer.dir}/src/`) && !isTest(file.path))
        .flatMap((file) => parse(file).imports.map(packageName)),
    );
    for (const [dependency, version] of Object.entries(dependencies)) {
      const allowed = dependency in LAYERS ? layer.internal : layer.thirdParty;
      if (!allowed.includes(dependency))
        findings.push({ path, what: `depends on ${dependency}, which the table does not allow` });
      if (!imported.has(dependency))
        findings.push({ path, what: `depends on ${dependency}, which nothing imports` });
      if (!/^[0-9]/.test(version))
        findings.push({ path, what: `takes ${dependency} ${version}: give an exact version` });
    }
    for (const target of imported) {
      const own = target in LAYERS || layer.thirdParty.includes(target);
      // tsx is the language of the tool chain, not of the product.
      if (own && target !== 'tsx' && !(target in dependencies))
        findings.push({ path, what: `imports ${target} without depending on it` });
    }
  }
  return findings;
}

/** No test is alone, and no word of unfinished work stays. */
export function leftoverRule(files: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = [];
  const words = new RegExp(
    ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].map((word) => `\\b${word}\\b`).join('|'),
  );
  for (const { path, text } of files) {
    if (/\b(test|describe|it)\.only\(/.test(text))
      findings.push({ path, what: 'runs a test alone (.only)' });
    const word = words.exec(text);
    if (word !== null)
      findings.push({ path, what: `has ${word[0]}: do it, or write down why not` });
  }
  return findings;
}

/** The lock file names no address and nothing that needs a later Node than ours. */
export function lockRule(text: string): Finding[] {
  const { packages } = JSON.parse(text) as {
    packages: Record<
      string,
      { resolved?: string; engines?: { node?: string }; optional?: boolean }
    >;
  };
  return Object.entries(packages).flatMap(([path, { resolved, engines }]) => {
    const findings: Finding[] = [];
    if (resolved?.startsWith('http')) findings.push({ path, what: 'has a download address' });
    // The first number of each alternative is the oldest major that it admits.
    const majors = (engines?.node ?? '0')
      .split('||')
      .map((range) => Number(/[0-9]+/.exec(range)?.[0] ?? 0));
    const least = Math.min(...majors);
    if (least > 20) findings.push({ path, what: `needs Node ${engines?.node}` });
    return findings;
  });
}

/** Links of documents lead to files that are there. */
export function linkRule(
  documents: readonly SourceFile[],
  exists: (path: string) => boolean,
): Finding[] {
  return documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .map((target) => new URL(target, `file:///${path}`).pathname.slice(1))
      .filter((target) => !exists(target))
      .map((target) => ({ path, what: `links to ${target}, which is not there` })),
  );
}

type Node = Record<string, unknown>;

function walk(node: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(node)) for (const child of node) walk(child, visit);
  else if (typeof node === 'object' && node !== null) {
    const record = node as Node;
    if (typeof record['type'] === 'string') visit(record);
    for (const child of Object.values(record)) walk(child, visit);
  }
}

/** `a` or `a.b` of an expression. */
function nameOf(node: unknown): string | undefined {
  const { type, name, object, property } = node as Record<string, unknown>;
  if (type === 'Identifier') return name as string;
  if (type !== 'MemberExpression') return undefined;
  const [left, right] = [nameOf(object), nameOf(property)];
  return left === undefined || right === undefined ? undefined : `${left}.${right}`;
}
