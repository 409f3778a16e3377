import { isPyralogError, PyralogError } from '@pyralog/model';
import { checkEndpoint, type S3Options } from './s3-connection.ts';

/** What is given on a command line. */
export interface S3Flags {
  /** Address of the store; Amazon's where it is left out. */
  readonly url?: string | undefined;
  /** A bucket, or a bucket and a prefix of all names in it: `kb`, `kb/archive`. */
  readonly bucket: string;
}

/** Amazon's own hosts say the region, and have a host name per bucket. */
const AMAZON_HOST =
  /^s3[.-](?:dualstack\.|fips\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?$/;
const AMAZON = /(^|\.)amazonaws\.com(\.cn)?$/;
/** What stores with one region go by that are not Amazon's. */
const REGION_OF_OTHERS = 'us-east-1';

/**
 * The options that a command line and the usual variables of Amazon's tools give: `AWS_ENDPOINT_URL_S3`,
 * `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
 * `AWS_SESSION_TOKEN`. Flags go before variables. Without keys, the SDK looks for profiles and roles itself.
 *
 * @throws PyralogError `usage`, whose texts hold no credentials
 */
export function s3OptionsOf(
  { url, bucket: place }: S3Flags,
  environment: Readonly<Record<string, string | undefined>>,
): S3Options {
  const given = (name: string): string | undefined => environment[name] || undefined;
  const endpoint = url ?? given('AWS_ENDPOINT_URL_S3') ?? given('AWS_ENDPOINT_URL');
  if (endpoint !== undefined) asUsage(() => checkEndpoint(endpoint));
  const host = endpoint === undefined ? undefined : new URL(endpoint).hostname;
  const amazon = host === undefined || AMAZON.test(host);
  const region =
    given('AWS_REGION') ??
    given('AWS_DEFAULT_REGION') ??
    AMAZON_HOST.exec(host ?? '')?.[1] ??
    (amazon ? undefined : REGION_OF_OTHERS);
  if (region === undefined) {
    throw new PyralogError('usage', 'The region of the bucket is not given.', {
      hint: 'Set AWS_REGION, as in AWS_REGION=eu-central-1.',
    });
  }
  const slash = place.indexOf('/');
  const prefix = slash < 0 ? '' : place.slice(slash + 1).replace(/\/$/, '');
  return {
    endpoint: endpoint?.replace(/\/$/, ''),
    region,
    bucket: slash < 0 ? place : place.slice(0, slash),
    prefix: prefix === '' ? undefined : prefix,
    credentials: credentialsOf(given),
    forcePathStyle: !amazon,
  };
}

function credentialsOf(given: (name: string) => string | undefined): S3Options['credentials'] {
  const accessKeyId = given('AWS_ACCESS_KEY_ID');
  const secretAccessKey = given('AWS_SECRET_ACCESS_KEY');
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return { accessKeyId, secretAccessKey, sessionToken: given('AWS_SESSION_TOKEN') };
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined;
  const [set, missing] =
    accessKeyId === undefined
      ? ['AWS_SECRET_ACCESS_KEY', 'AWS_ACCESS_KEY_ID']
      : ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
  throw new PyralogError('usage', `${set} is set, and ${missing} is not.`, {
    hint: 'Set both, or none to use a profile or the role of the machine.',
  });
}

/** What is wrong with an option is here wrong with the command. */
function asUsage(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!isPyralogError(error)) throw error;
    throw new PyralogError('usage', error.message, { hint: error.hint });
  }
}
