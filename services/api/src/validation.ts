import { nearestName, PyralogError } from '@pyralog/model';
import type { FastifySchemaCompiler } from 'fastify';
import { z } from 'zod';
import { MalformedText } from './query-string.ts';

/**
 * Checks parameters by their zod schemas. Bodies pass as bytes: their handlers read them without loss. Never throws:
 * fastify does not promise to catch here.
 */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  if (httpPart === 'body') return (data: unknown) => ({ value: data });
  return (data: unknown) => {
    try {
      const result = schema.safeParse(data);
      return result.success
        ? { value: result.data }
        : { error: refusalOf(result.error, schema, data) };
    } catch (error) {
      return { error: error as Error };
    }
  };
};

/** As the validator does, for a handler that knows its schema late. @throws parameter-invalid, and what the model throws */
export function checkParameters<T>(schema: z.ZodType<T>, data: unknown): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  throw refusalOf(result.error, schema, data);
}

/** The first issue in our words. */
export function refusalOf(error: z.ZodError, schema: z.ZodType, data: unknown): PyralogError {
  const issue = error.issues[0];
  if (issue === undefined)
    return new PyralogError('parameter-invalid', 'The parameters are not valid.');
  if (issue.code === 'unrecognized_keys') return unknownName(issue.keys[0] ?? '', namesOf(schema));
  const name = issue.path.map(String).join('.');
  const given = name === '' ? data : (data as Record<string, unknown>)[name];
  return new PyralogError(
    'parameter-invalid',
    `${name === '' ? '' : `${name}: `}${problemOf(issue, given)}`,
    {
      extra: name === '' ? {} : { parameter: name },
    },
  );
}

function problemOf(issue: z.core.$ZodIssue, given: unknown): string {
  if (given === undefined) return 'This parameter is required.';
  if (Array.isArray(given)) return 'This parameter is given more than once.';
  if (given instanceof MalformedText) return 'The text is not percent-encoded UTF-8.';
  return issue.message;
}

function unknownName(name: string, allowed: readonly string[]): PyralogError {
  const nearest = nearestName(name, allowed);
  const list =
    allowed.length === 0
      ? 'There are no parameters here.'
      : `The parameters are ${allowed.join(', ')}.`;
  const shown = JSON.stringify(name.length <= 60 ? name : `${name.slice(0, 57)}…`);
  return new PyralogError(
    'parameter-invalid',
    `There is no parameter ${shown.toWellFormed()} here.`,
    {
      hint: nearest === undefined ? list : `Did you mean ${JSON.stringify(nearest)}? ${list}`,
      extra: { parameter: name, allowed },
    },
  );
}

function namesOf(schema: z.ZodType): readonly string[] {
  const object = schema instanceof z.ZodPipe ? schema.in : schema;
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}
