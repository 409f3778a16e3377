/** The oldest Node that will do, as `engines` of the package says. */
const OLDEST = { major: 20, minor: 19 };

/**
 * Why this Node will not do, in a sentence; undefined where it does. Imports nothing, so that an old one gets as far as this.
 * @param version as in `process.versions.node`
 */
export function nodeComplaint(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)) return undefined;
  return `Pyralog needs Node ${OLDEST.major}.${OLDEST.minor} or later. This is Node ${version}.`;
}
