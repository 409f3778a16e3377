import { createHash } from 'node:crypto';

/**
 * What is done in one step. Redis runs a script alone, from its beginning to its end; `#!lua` makes it
 * refuse one as a whole where memory is full, and not in the middle.
 */
export interface RedisScript {
  readonly lua: string;
  readonly sha1: string;
}

/** A tx is a decimal of 63 bits, which a number of Lua would round. */
const LATER = `
local function later(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end
`;

/**
 * Keys of every step of a batch: of the database, of the partition, of its deleted entities. Arguments:
 * incarnation, from, to. Returns why the views are not what the batch is a step from, where they are not.
 */
const STEP = `${LATER}
local incarnation, from, to = ARGV[1], ARGV[2], ARGV[3]
local watermark = redis.call('HGET', KEYS[2], 'watermark') or '0'
if redis.call('HEXISTS', KEYS[1], 'clearing') == 1 then return 'refused' end
if not later(to, watermark) then return 'passed' end
if later(from, watermark) then return 'refused' end
if from == '0' and watermark ~= '0' then return 'refused' end
`;

/** Of every step but the first: nothing was cleared or lost since. */
const NEXT = `${STEP}
if redis.call('HGET', KEYS[1], 'incarnation') ~= incarnation then return 'refused' end
`;

/** Begins a batch. The incarnation that is given becomes the database's where it has none. Returns it. */
export const BEGIN: RedisScript = script(`${STEP}
if from == '0' then
  local loading = redis.call('HGET', KEYS[2], 'loading')
  if loading and loading ~= to then return 'refused' end
  redis.call('HSET', KEYS[2], 'loading', to)
end
redis.call('HSETNX', KEYS[1], 'incarnation', incarnation)
return {redis.call('HGET', KEYS[1], 'incarnation')}
`);

/**
 * Writes records. Further keys: theirs. Further arguments: the length of what their keys begin with, then of
 * each record its tx, the number of its fields and values, and those.
 */
export const WRITE: RedisScript = script(`${NEXT}
local prefix = tonumber(ARGV[4])
local at = 5
for i = 4, #KEYS do
  local key, tx, count = KEYS[i], ARGV[at], tonumber(ARGV[at + 1])
  at = at + 2
  local entity = string.sub(key, prefix + 1)
  local newest = redis.call('HGET', key, ':tx') or redis.call('HGET', KEYS[3], entity) or watermark
  if later(tx, watermark) and later(tx, newest) then
    redis.call('UNLINK', key)
    if count == 0 then
      redis.call('HSET', KEYS[3], entity, tx)
    else
      redis.call('HSET', key, ':tx', tx)
      -- No more than fit on the stack of Lua.
      for first = at, at + count - 1, 1000 do
        redis.call('HSET', key, unpack(ARGV, first, math.min(first + 999, at + count - 1)))
      end
    end
  end
  at = at + count
end
return ''
`);

/** Ends a batch: moves the watermark. Returns how many deleted entities are remembered. */
export const END: RedisScript = script(`${NEXT}
redis.call('HSET', KEYS[2], 'watermark', to)
redis.call('HDEL', KEYS[2], 'loading')
return {redis.call('HLEN', KEYS[3])}
`);

/**
 * Forgets deleted entities that the watermark has passed: what is older than it is written no more. Keys: of
 * the partition, of its deleted entities. Arguments: a cursor, and how many to look at. Returns the next cursor.
 */
export const FORGET: RedisScript = script(`${LATER}
local watermark = redis.call('HGET', KEYS[1], 'watermark') or '0'
local page = redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])
for i = 1, #page[2], 2 do
  if not later(page[2][i + 1], watermark) then redis.call('HDEL', KEYS[2], page[2][i]) end
end
return page[1]
`);

/** Begins to clear: key of the database; argument: who clears. Refuses all batches from here on. */
export const CLEAR: RedisScript = script(
  `
redis.call('HSET', KEYS[1], 'clearing', ARGV[1])
return 1
`,
  'flags=allow-oom',
);

/** Deletes keys, the first of which says who clears. Returns 0 where that is another one. */
export const UNLINK: RedisScript = script(
  `
if redis.call('HGET', KEYS[1], 'clearing') ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
`,
  'flags=allow-oom',
);

/** Ends to clear. */
export const CLEARED: RedisScript = script(
  `
if redis.call('HGET', KEYS[1], 'clearing') ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1])
return 1
`,
  'flags=allow-oom',
);

function script(body: string, flags = ''): RedisScript {
  const lua = `#!lua ${flags}\n${body}`;
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
