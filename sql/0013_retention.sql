-- Rules of retention ([retention NAME]): what is kept for a time only.  What a rule excludes counts as covered; so a rule that is
-- taken out, or gives more time than before, takes with it what was proven of the time that it was about.

CREATE TABLE retention (
  identity text NOT NULL,
  digest bytea PRIMARY KEY,
  name text NOT NULL,
  max_age int8 NOT NULL CHECK (max_age >= 0),
  made_at int8 NOT NULL DEFAULT extract(epoch FROM now())::int8,
  done_key int8 NOT NULL DEFAULT -1,
  events int8 NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE retention IS 'Rules by which events are kept for a time only, as the configuration had them at the last start of the daemon.';
COMMENT ON COLUMN retention.identity IS 'Canonical JSON of the filter; {}: every event.';
COMMENT ON COLUMN retention.max_age IS 'Seconds since created_at; 0: such events are never archived.';
COMMENT ON COLUMN retention.done_key IS 'Up to this event.key everything that the rule excludes has been deleted.';
COMMENT ON COLUMN retention.events IS 'How many events it has deleted.';

-- Nothing is proven any more of the seconds up to `upto`.  Gaps stay: they claim nothing.
CREATE FUNCTION coverage_forget(upto int8) RETURNS void LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(7, -2);
  DELETE FROM coverage WHERE hi <= upto;
  UPDATE coverage SET lo = upto + 1 WHERE lo <= upto;
$$;
COMMENT ON FUNCTION coverage_forget IS 'Takes back every proof up to a second: relays are read again there.';

-- The rules that are in force from now on.  Returns up to which second proofs were taken back; -1: none.
CREATE FUNCTION retention_settle(p_identities text[], p_names text[], p_ages int8[]) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  upto int8;
BEGIN
  WITH gone AS (
    DELETE FROM retention r WHERE NOT EXISTS (
      SELECT FROM unnest(p_identities, p_ages) u(identity, age) WHERE u.identity = r.identity AND u.age <= r.max_age)
    RETURNING r.max_age)
  SELECT max(CASE WHEN g.max_age = 0 THEN 9223372036854775806 ELSE extract(epoch FROM now())::int8 - g.max_age END)
    INTO upto FROM gone g;
  INSERT INTO retention AS r (identity, digest, name, max_age)
    SELECT DISTINCT ON (u.identity) u.identity, sha256(convert_to(u.identity, 'UTF8')), u.name, u.age
    FROM unnest(p_identities, p_names, p_ages) u(identity, name, age) ORDER BY u.identity, u.age
    ON CONFLICT (digest) DO UPDATE SET name = excluded.name, max_age = excluded.max_age,
      done_key = CASE WHEN r.max_age = excluded.max_age THEN r.done_key ELSE -1 END;
  IF upto IS NULL THEN
    RETURN -1;
  END IF;
  PERFORM coverage_forget(upto);
  RETURN upto;
END $$;

-- Some events after a key, in its order, up to a second; as JSON those of these kinds (none: of any).  At least one, else no more
-- than so many bytes.
CREATE FUNCTION retention_read(p_after int8, p_upto int8, p_kinds int4[], p_rows int4, p_bytes int8)
RETURNS TABLE (key int8, created_at int8, id bytea, "json" text) LANGUAGE sql STABLE
SET enable_seqscan = off AS $$
  SELECT (r.e).key, (r.e).created_at, (r.e).id, CASE WHEN r.fits THEN event_object(r.e) END
  FROM (SELECT x.e, x.fits, row_number() OVER w AS n,
      sum(CASE WHEN x.fits THEN octet_length((x.e).tags) + octet_length((x.e).content) + octet_length((x.e).canonical) ELSE 0 END) OVER w
        AS bytes
    FROM (SELECT e, cardinality(p_kinds) = 0 OR e.kind = ANY (p_kinds) AS fits FROM event e
      WHERE e.key > p_after AND e.created_at BETWEEN greatest(p_after >> 32, 0) AND p_upto ORDER BY e.key LIMIT p_rows) x
    WINDOW w AS (ORDER BY (x.e).key ROWS UNBOUNDED PRECEDING)) r
  WHERE r.n = 1 OR r.bytes <= p_bytes ORDER BY 1 $$;

-- Deletes what a rule excludes.  Without p_wait, busy is true when a writer stands in the way.
CREATE FUNCTION retention_delete(p_ids bytea[], p_ats int8[], p_wait boolean, OUT busy boolean, OUT more boolean, OUT events int8,
  OUT sightings int8) LANGUAGE plpgsql AS $$
BEGIN
  busy := false;
  more := false;
  events := 0;
  sightings := 0;
  IF p_wait THEN
    PERFORM pg_advisory_xact_lock(7, -2);
  ELSIF NOT pg_try_advisory_xact_lock(7, -2) THEN
    busy := true;
    RETURN;
  END IF;
  SELECT d.events, d.sightings INTO events, sightings FROM events_delete(p_ids, p_ats) d;
END $$;
