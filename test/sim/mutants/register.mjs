/**
 * Plants a bug: `--mutant NAME` of a run. Places of the product's source, each of which must be there exactly
 * once, are replaced while the modules are loaded, so that the source has no switch, and all other modules are the
 * real ones. To be imported before tsx, which asks this loader for the sources that it compiles.
 */
import { readFileSync } from 'node:fs';
import { register } from 'node:module';

const at = process.argv.indexOf('--mutant');
if (at > 0) {
  const name = process.argv[at + 1];
  const mutants = JSON.parse(readFileSync(new URL('./mutants.json', import.meta.url), 'utf8'));
  const mutant = mutants[name];
  if (mutant === undefined)
    throw new Error(`There is no mutant ${name}: ${Object.keys(mutants).join(', ')}.`);
  const sources = {};
  for (const { file, find, replace } of mutant.edits) {
    const url = new URL(`../../../${file}`, import.meta.url);
    const source = sources[url.href] ?? readFileSync(url, 'utf8');
    if (source.split(find).length !== 2)
      throw new Error(`${file} does not have the place of ${name} exactly once: ${find}`);
    sources[url.href] = source.replace(find, () => replace);
  }
  register(new URL('./loader.mjs', import.meta.url), { data: sources });
}
