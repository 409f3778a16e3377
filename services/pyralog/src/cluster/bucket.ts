import { S3Objects, type S3Flags, type S3Options, s3OptionsOf } from '@pyralog/objects/s3';

/**
 * The bucket that options and the environment name. Nothing is asked of it yet.
 * @param environment where its keys are looked for
 * @throws PyralogError `usage`, `parameter-invalid`
 */
export function bucketOf(
  flags: S3Flags,
  environment: Readonly<Record<string, string | undefined>>,
  options: Pick<S3Options, 'onFailing' | 'onWorking' | 'patienceMillis'>,
): S3Objects {
  // What it says of old versions of Node is about versions of the SDK that are not the pinned one.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  return S3Objects.at({ ...s3OptionsOf(flags, environment), ...options });
}
