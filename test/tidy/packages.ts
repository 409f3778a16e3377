import type { Report, SourceFile } from './tree.ts';

interface PackageJson {
  readonly name: string;
  readonly version?: string;
  readonly private?: boolean;
  readonly engines?: { readonly node?: string };
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** The package that users install; every other one but the root is a part of it. */
const PUBLISHED = 'pyralog';

/**
 * All packages have one version and take each other at it, every version of others is exact, and the root
 * and the published package say which Node they need, all of them the same.
 * @param packages package.json files, the root's among them
 */
export function versionRule(packages: readonly SourceFile[], node: string): Report {
  const all = packages.map(({ path, text }) => ({ path, json: JSON.parse(text) as PackageJson }));
  const version = all.find(({ path }) => path === 'package.json')?.json.version;
  const names = new Set(all.map(({ json }) => json.name));
  const findings = all.flatMap(({ path, json }) => {
    const whats: string[] = [];
    if (json.version !== version) whats.push(`has version ${json.version}, the root ${version}`);
    const taken = Object.entries({ ...json.dependencies, ...json.devDependencies });
    for (const [name, taking] of taken) {
      if (names.has(name) && taking !== version)
        whats.push(`takes ${name} at ${taking}, not at ${version}`);
      if (!/^[0-9]+\.[0-9]+\.[0-9]+(-[\w.]+)?$/.test(taking))
        whats.push(`takes ${name} at ${taking}, which is no exact version`);
    }
    const mustSay = path === 'package.json' || json.name === PUBLISHED;
    const says = json.engines?.node;
    if (says !== node && (mustSay || says !== undefined))
      whats.push(`says that it needs Node ${says}, not ${node}`);
    return whats.map((what) => ({ path, what }));
  });
  return { read: packages.length, findings };
}

/** The lock file names no address and nothing that needs a later Node than ours. */
export function lockRule(file: SourceFile): Report {
  const { packages } = JSON.parse(file.text) as {
    packages: Record<string, { resolved?: string; engines?: { node?: string } }>;
  };
  const findings = Object.entries(packages).flatMap(([name, { resolved, engines }]) => {
    const whats: string[] = [];
    if (resolved?.startsWith('http')) whats.push(`has a download address of ${name}`);
    // The first number of each alternative is the oldest major that it admits.
    const majors = (engines?.node ?? '0')
      .split('||')
      .map((range) => Number(/[0-9]+/.exec(range)?.[0] ?? 0));
    if (Math.min(...majors) > 20) whats.push(`has ${name}, which needs Node ${engines?.node}`);
    return whats.map((what) => ({ path: file.path, what }));
  });
  return { read: Object.keys(packages).length, findings };
}
