import { readFile } from 'node:fs/promises';
import { PyralogError } from '@pyralog/model';
import type { InputFormat } from '@pyralog/service-sequencer';
import { type Command, InvalidArgumentError, type Option } from 'commander';
import type { ClusterSettings } from '../cluster/connect.ts';
import { messageOf } from '../troubles.ts';
import { cutRuleOf } from './context.ts';
import type { ProcessOptions, RoleName } from './roles.ts';

/** Where the engines are, as given on the command line, by the environment or in a file. */
export interface EngineOptions {
  readonly kafka?: string | undefined;
  readonly s3?: string | undefined;
  readonly bucket?: string | undefined;
  readonly redis?: string | undefined;
  readonly replication: number;
  readonly config?: string | undefined;
  readonly format?: InputFormat | undefined;
}

/** Where the door of a process is. */
export interface ListenOptions {
  readonly host: string;
  readonly port: number;
}

/**
 * Options with those of the file that `--config` names: what the command line or the environment says goes
 * before it, it goes before the defaults.
 * @throws usage
 */
export async function withConfig<T extends EngineOptions>(given: T, command: Command): Promise<T> {
  const { config } = given;
  if (config === undefined) return given;
  const known = new Map(command.options.map((option) => [option.attributeName(), option]));
  for (const [name, value] of Object.entries(await readConfig(config))) {
    const option = known.get(name);
    if (option === undefined || name === 'config') {
      const names = [...known.keys()].filter((each) => each !== 'config');
      throw new PyralogError('usage', `${config}: there is no option ${JSON.stringify(name)}.`, {
        hint: `It may hold ${names.join(', ')}.`,
      });
    }
    if (
      command.getOptionValueSource(name) !== 'default' &&
      command.getOptionValue(name) !== undefined
    )
      continue;
    command.setOptionValueWithSource(name, parsed(option, value, config), 'config');
  }
  return command.opts() as T;
}

/** A value of the file, as the command line would give it. */
function parsed(option: Option, value: unknown, file: string): unknown {
  const text = String(value);
  try {
    return option.parseArg === undefined ? text : option.parseArg(text, undefined);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new PyralogError('usage', `${file}: ${option.attributeName()}: ${error.message}`);
  }
}

async function readConfig(path: string): Promise<object> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new PyralogError('usage', `${path} cannot be read: ${messageOf(error)}.`);
  }
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content;
  } catch {
    // Told below, as every content that is no object.
  }
  throw new PyralogError('usage', `${path} holds no JSON object.`, {
    hint: 'For example {"kafka":"127.0.0.1:9092","bucket":"knowledge"}.',
  });
}

/** Where the engines are. @throws usage where that was not said */
export function clusterSettings({
  kafka,
  bucket,
  s3,
  redis,
  replication,
}: EngineOptions): ClusterSettings {
  if (kafka === undefined || bucket === undefined) {
    throw new PyralogError(
      'usage',
      kafka === undefined ? 'Where Kafka is was not said.' : 'The bucket was not named.',
      {
        hint: "Give --kafka HOST:PORT and --bucket NAME, with --s3 URL for a store that is not Amazon's, or PYRALOG_KAFKA, PYRALOG_BUCKET and PYRALOG_S3.",
      },
    );
  }
  const brokers = kafka.split(',').map((address) => address.trim());
  return { kafka: brokers, replication, s3, bucket, redis, cutRule: cutRuleOf(process.env) };
}

/** What a process of a role is started with. @throws usage */
export function processOptions(
  role: RoleName,
  options: EngineOptions & ListenOptions & { readonly db?: string | undefined },
): ProcessOptions {
  const { host, port, db, format } = options;
  return {
    role,
    cluster: clusterSettings(options),
    database: db,
    create: role === 'all',
    format: format ?? 'transaction',
    host,
    port,
  };
}
