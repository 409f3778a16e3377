-- The facts of the workload in PostgreSQL: one row for every assertion and retraction, never changed.
-- Entities and attributes are numbers, which spares it the names that Pyralog keeps. A writer numbers its
-- transactions itself. Indexes as in the name of each; operation: true asserts, false retracts.

CREATE TABLE transactions (
  tx bigint PRIMARY KEY,
  committed timestamptz NOT NULL
);

-- Wide columns first, so that none is padded. A value has one column by its type: refs, instants
-- (milliseconds) and booleans are integers.
CREATE TABLE facts (
  tx bigint NOT NULL,
  entity bigint NOT NULL,
  v_int bigint,
  v_double double precision,
  attribute smallint NOT NULL,
  operation boolean NOT NULL,
  v_text text
);

-- The newest fact of an entity and attribute stands first: an answer now or as of a moment is one step
-- into the index, however long the history is.
CREATE INDEX facts_eavt ON facts (entity, attribute, tx DESC, operation DESC);
CREATE INDEX facts_aevt ON facts (attribute, entity, tx DESC, operation DESC);
CREATE INDEX facts_tx ON facts (tx);
-- Attribute 1 is the unique e-mail, 8 the city, which is looked up by value. Cities are counted from the
-- index alone, in either order.
CREATE UNIQUE INDEX facts_avet_email ON facts (v_text) WHERE attribute = 1 AND operation;
CREATE INDEX facts_avet_city ON facts (v_text, entity, tx DESC) WHERE attribute = 8;
CREATE INDEX facts_aevt_city ON facts (entity, tx DESC, operation DESC) INCLUDE (v_text)
  WHERE attribute = 8;

-- Facts of new entities: nothing is replaced, so nothing is looked up.
CREATE FUNCTION insert_facts(
  at bigint, entities bigint[], attributes smallint[], ints bigint[], doubles double precision[],
  texts text[]
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  written integer;
BEGIN
  INSERT INTO transactions VALUES (at, clock_timestamp());
  INSERT INTO facts (tx, entity, v_int, v_double, attribute, operation, v_text)
    SELECT at, given.entity, given.v_int, given.v_double, given.attribute, true, given.v_text
    FROM unnest(entities, attributes, ints, doubles, texts)
      AS given (entity, attribute, v_int, v_double, v_text);
  GET DIAGNOSTICS written = ROW_COUNT;
  RETURN written;
END
$$;

-- Values that replace what is in force: the old one is retracted, the new one asserted. Writers of one
-- attribute of an entity wait for each other, in one order so that none waits in a circle; what a
-- statement after the lock sees is committed.
CREATE FUNCTION replace_facts(
  at bigint, entities bigint[], attributes smallint[], ints bigint[], doubles double precision[],
  texts text[]
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  written integer;
BEGIN
  PERFORM pg_advisory_xact_lock(lock) FROM (
    SELECT DISTINCT given.entity * 16 + given.attribute AS lock
    FROM unnest(entities, attributes) AS given (entity, attribute)
    ORDER BY lock
  ) AS locks;
  INSERT INTO transactions VALUES (at, clock_timestamp());
  INSERT INTO facts (tx, entity, v_int, v_double, attribute, operation, v_text)
    SELECT
      at, given.entity,
      CASE WHEN new.operation THEN given.v_int ELSE old.v_int END,
      CASE WHEN new.operation THEN given.v_double ELSE old.v_double END,
      given.attribute, new.operation,
      CASE WHEN new.operation THEN given.v_text ELSE old.v_text END
    FROM unnest(entities, attributes, ints, doubles, texts)
      AS given (entity, attribute, v_int, v_double, v_text)
    LEFT JOIN LATERAL (
      SELECT f.operation, f.v_int, f.v_double, f.v_text
      FROM facts AS f
      WHERE f.entity = given.entity AND f.attribute = given.attribute
      ORDER BY f.tx DESC, f.operation DESC
      LIMIT 1
    ) AS old ON true
    CROSS JOIN (VALUES (false), (true)) AS new (operation)
    WHERE (new.operation OR old.operation IS TRUE)
      AND (
        old.operation IS NOT TRUE
        OR (old.v_int, old.v_double, old.v_text)
          IS DISTINCT FROM (given.v_int, given.v_double, given.v_text)
      );
  GET DIAGNOSTICS written = ROW_COUNT;
  RETURN written;
END
$$;
