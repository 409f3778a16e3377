import type { Answer } from '@pyralog/client';
import type { FastifyReply, FastifyRequest } from 'fastify';

export const JSON_TYPE = 'application/json; charset=utf-8';
export const NDJSON_TYPE = 'application/x-ndjson';
export const ARROW_STREAM_TYPE = 'application/vnd.apache.arrow.stream';
export const ARROW_FILE_TYPE = 'application/vnd.apache.arrow.file';

/** How long an answer may be kept. */
export interface Keeping {
  /** The question names the moment, so that the same one has the same answer for ever. */
  readonly pinned: boolean;
  /** What tells answers of one address apart; default the basis. */
  readonly tag?: string | undefined;
}

/**
 * Sends an answer with its basis. An answer at a closed basis has an ETag: its basis is enough of one, since one address at one
 * basis has one answer. Where the question names the moment it never changes and is kept without asking again.
 */
export function sendAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: Answer,
  { text, keeping }: { readonly text: () => string; readonly keeping: Keeping },
): FastifyReply {
  const basis = answer.basis.toString();
  reply.header('pyralog-basis', basis);
  if (!answer.closed) return reply.header('cache-control', 'no-store').type(JSON_TYPE).send(text());
  const tag = `"${keeping.tag ?? basis}"`;
  reply
    .header('etag', tag)
    .header('cache-control', keeping.pinned ? 'max-age=31536000, immutable' : 'no-cache');
  const known = request.headers['if-none-match'];
  if (known !== undefined && matches(known, tag)) return reply.code(304).send();
  return reply.type(JSON_TYPE).send(text());
}

function matches(list: string, tag: string): boolean {
  return list.split(',').some((each) => {
    const written = each.trim();
    return written === '*' || written === tag || written === `W/${tag}`;
  });
}

/** Aborts when the connection ends before the answer does. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}
