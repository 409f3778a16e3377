import { PROBLEM_TYPE, printProblem } from '@pyralog/client';
import { DOCUMENT_BYTES_MAX, isPyralogError, PyralogError } from '@pyralog/model';
import type { FastifyReply } from 'fastify';

/** Whatever was thrown, as an error of the table: one of ours, of the framework, or a defect. */
export function problemFor(error: unknown): PyralogError {
  if (isPyralogError(error)) return error;
  const { code, statusCode } = error as { readonly code?: unknown; readonly statusCode?: unknown };
  if (typeof code === 'string' && code.startsWith('FST_')) {
    const known = frameworkProblem(code);
    if (known !== undefined) return known;
    if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
      return new PyralogError(
        'parameter-invalid',
        error instanceof Error ? error.message : 'The request is not valid.',
      );
    }
  }
  return new PyralogError(
    'internal',
    'Something went wrong inside; the log of the server tells more.',
    { cause: error },
  );
}

function frameworkProblem(code: string): PyralogError | undefined {
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return bodyTooLarge();
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new PyralogError(
        'media-type-unsupported',
        'The content type of the body is not a media type.',
        { hint: 'Send the header "content-type: application/json".' },
      );
    case 'FST_ERR_BAD_URL':
      return new PyralogError('parameter-invalid', 'The address is not percent-encoded UTF-8.');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new PyralogError(
        'not-found',
        'A part of the address is too long to be the name of anything.',
      );
    default:
      return undefined;
  }
}

export function bodyTooLarge(): PyralogError {
  return new PyralogError(
    'transaction-too-large',
    `The body has more than ${DOCUMENT_BYTES_MAX} bytes (64 MiB), the limit of a transaction document.`,
    {
      hint: 'Split it into several transactions.',
      extra: { limit: DOCUMENT_BYTES_MAX },
    },
  );
}

/** Answers with the problem document of an error. */
export function sendProblem(reply: FastifyReply, error: PyralogError): FastifyReply {
  // Otherwise the rest of a body that never comes would hold the connection.
  if (error.row.http === 408) reply.header('connection', 'close');
  if (error.row.retry === 'later' && error.row.http >= 429) reply.header('retry-after', '1');
  return reply
    .code(error.row.http)
    .type(PROBLEM_TYPE)
    .header('cache-control', 'no-store')
    .send(printProblem(error));
}
