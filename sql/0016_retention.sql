-- Rules of retention that name relays: they are about what was seen there.  Their sightings go, and an event goes with the last of its
-- sightings; what another relay was seen to hold stays.

ALTER TABLE retention ADD COLUMN relays text[];
COMMENT ON COLUMN retention.identity IS 'Canonical JSON of the filter; {}: every event. Of a rule that names relays {"events": filter, "relays": [..]}.';
COMMENT ON COLUMN retention.relays IS 'The relays that the rule is about; NULL: all.';
COMMENT ON COLUMN retention.events IS 'How many events it has deleted; of a rule that names relays those whose last sighting went.';

-- Nothing is proven any more of the seconds up to `upto`; at these relays only, when they are given.
DROP FUNCTION coverage_forget(int8);
CREATE FUNCTION coverage_forget(upto int8, relays text[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  of_these constant int4[] := ARRAY(SELECT r.relay_id FROM relays r WHERE r.url = ANY (coverage_forget.relays));
BEGIN
  PERFORM pg_advisory_xact_lock(7, -2);
  DELETE FROM coverage c WHERE c.hi <= upto AND (coverage_forget.relays IS NULL OR c.relay_id = ANY (of_these));
  UPDATE coverage c SET lo = upto + 1 WHERE c.lo <= upto AND (coverage_forget.relays IS NULL OR c.relay_id = ANY (of_these));
END $$;
COMMENT ON FUNCTION coverage_forget IS 'Takes back every proof up to a second, of all relays or of some: they are read again there.';

-- The rules that are in force from now on; the relays of each are a JSON array, '' for all.  Returns up to which second proofs were taken
-- back; -1: none.
DROP FUNCTION retention_settle(text[], text[], int8[]);
CREATE FUNCTION retention_settle(p_identities text[], p_names text[], p_ages int8[], p_relays text[]) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  gone record;
  upto int8 := -1;
BEGIN
  FOR gone IN
    DELETE FROM retention r WHERE NOT EXISTS (
      SELECT FROM unnest(p_identities, p_ages) u(identity, age) WHERE u.identity = r.identity AND u.age <= r.max_age)
    RETURNING CASE WHEN r.max_age = 0 THEN 9223372036854775806 ELSE extract(epoch FROM now())::int8 - r.max_age END AS upto, r.relays
  LOOP
    PERFORM coverage_forget(gone.upto, gone.relays);
    upto := greatest(upto, gone.upto);
  END LOOP;
  INSERT INTO retention AS r (identity, digest, name, max_age, relays)
    SELECT DISTINCT ON (u.identity) u.identity, sha256(convert_to(u.identity, 'UTF8')), u.name, u.age,
      CASE WHEN u.relays <> '' THEN ARRAY(SELECT json_array_elements_text(u.relays::json)) END
    FROM unnest(p_identities, p_names, p_ages, p_relays) u(identity, name, age, relays) ORDER BY u.identity, u.age
    ON CONFLICT (digest) DO UPDATE SET name = excluded.name, max_age = excluded.max_age,
      done_key = CASE WHEN r.max_age = excluded.max_age THEN r.done_key ELSE -1 END;
  RETURN upto;
END $$;

-- Takes from these events what was seen at these relays, and the events that were seen nowhere else.  Those that were never seen at
-- them stay, imported ones too.  A few hundred at a time, as events_delete().
CREATE FUNCTION sightings_delete(p_ids bytea[], p_ats int8[], p_relays text[], OUT events int8, OUT sightings int8) LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
  p_hex constant text[] := ARRAY(SELECT encode(i, 'hex') FROM unnest(p_ids) i);
  lo constant int8 := (SELECT min(t) FROM unnest(p_ats) t);
  hi constant int8 := (SELECT max(t) FROM unnest(p_ats) t);
  of_these constant int4[] := ARRAY(SELECT r.relay_id FROM relays r WHERE r.url = ANY (p_relays) ORDER BY 1);
  gone int8[];
  seen int8[];
  from_bucket int4;
  to_bucket int4;
  orphan_ids bytea[];
  orphan_ats int8[];
  n record;
BEGIN
  events := 0;
  sightings := 0;
  PERFORM pg_advisory_xact_lock(7, -2);
  -- Once in 10^9 another event has the same key: then both keep their sightings.
  SELECT array_agg(k.key), min(k.key >> 47), max(k.key >> 47) INTO gone, from_bucket, to_bucket
    FROM (SELECT e.key FROM event e WHERE encode(e.id, 'hex') = ANY (p_hex) AND e.created_at BETWEEN lo AND hi) k
    WHERE (SELECT count(*) FROM event o WHERE o.key = k.key) = 1;
  IF gone IS NULL OR cardinality(of_these) = 0 THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(7, r) FROM unnest(of_these) r;
  WITH d AS (
    DELETE FROM sighting s WHERE s.keys && gone AND s.relay_id = ANY (of_these) AND s.bucket BETWEEN from_bucket AND to_bucket RETURNING s.*
  ), m AS MATERIALIZED (
    SELECT row_number() OVER () AS i, d.* FROM d
  ), rest AS (
    INSERT INTO sighting (seen_at, relay_id, bucket, tmax, tmin, relay_url, keys, lags)
      SELECT m.seen_at, m.relay_id, m.bucket, max(u.key) >> 32, min(u.key) >> 32, m.relay_url, array_agg(u.key ORDER BY u.key),
        CASE WHEN m.lags IS NOT NULL THEN array_agg(u.lag ORDER BY u.key) END
      FROM m CROSS JOIN LATERAL unnest(m.keys, m.lags) u(key, lag) WHERE u.key <> ALL (gone)
      GROUP BY m.i, m.seen_at, m.relay_id, m.bucket, m.relay_url, m.lags
  )
  SELECT array_agg(DISTINCT k), count(*) INTO seen, sightings FROM m CROSS JOIN LATERAL unnest(m.keys) k WHERE k = ANY (gone);
  UPDATE archive_count c SET sightings = c.sightings - sightings_delete.sightings
    WHERE c.lane = 2 AND sightings_delete.sightings > 0;
  SELECT array_agg(e.id), array_agg(e.created_at) INTO orphan_ids, orphan_ats FROM event e
    WHERE encode(e.id, 'hex') = ANY (p_hex) AND e.created_at BETWEEN lo AND hi AND e.key = ANY (seen)
      AND NOT EXISTS (SELECT FROM sighting s WHERE s.bucket = (e.key >> 47)::int4 AND s.keys @> ARRAY[e.key] AND s.keys && ARRAY[e.key] OFFSET 0);
  IF orphan_ids IS NOT NULL THEN
    SELECT d.events INTO events FROM events_delete(orphan_ids, orphan_ats) d;
  END IF;
END $$;
COMMENT ON FUNCTION sightings_delete IS 'Deletes what was seen at some relays of these events, and those events that were seen nowhere else.';

-- Deletes what a rule excludes; by its relays, when it names some.  Without p_wait, busy is true when a writer stands in the way.
DROP FUNCTION retention_delete(bytea[], int8[], boolean);
CREATE FUNCTION retention_delete(p_ids bytea[], p_ats int8[], p_relays text[], p_wait boolean, OUT busy boolean, OUT more boolean,
  OUT events int8, OUT sightings int8) LANGUAGE plpgsql AS $$
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
  IF cardinality(p_relays) > 0 THEN
    SELECT d.events, d.sightings INTO events, sightings FROM sightings_delete(p_ids, p_ats, p_relays) d;
  ELSE
    SELECT d.events, d.sightings INTO events, sightings FROM events_delete(p_ids, p_ats) d;
  END IF;
END $$;
