-- What leaves the archive, and stays out: purges, requests to vanish (NIP-62), rules of retention.
--
-- A tombstone is written first, alone; what it excludes then goes in steps.  So the archive goes on beside it, an interruption costs
-- nothing, and whoever says the same again finishes what was begun.

-- Deletes these events with all that stands of them elsewhere.  The lock makes writers wait that may hold one of them for known, and
-- those of the relays hold off whoever packs their sightings.  A few hundred at a time, of times that lie together if possible.
CREATE FUNCTION events_delete(p_ids bytea[], p_ats int8[], OUT events int8, OUT sightings int8) LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
  p_hex constant text[] := ARRAY(SELECT encode(i, 'hex') FROM unnest(p_ids) i);
  lo constant int8 := (SELECT min(t) FROM unnest(p_ats) t);
  hi constant int8 := (SELECT max(t) FROM unnest(p_ats) t);
  gone int8[];
  from_bucket int4;
  to_bucket int4;
BEGIN
  PERFORM pg_advisory_xact_lock(7, -2);
  WITH d AS (DELETE FROM event e WHERE encode(e.id, 'hex') = ANY (p_hex) AND e.created_at BETWEEN lo AND hi RETURNING e.key)
    SELECT array_agg(d.key), count(*) INTO gone, events FROM d;
  sightings := 0;
  DELETE FROM expiration x WHERE x.id = ANY (p_ids);
  DELETE FROM deletion x WHERE x.request_id = ANY (p_ids);
  DELETE FROM event_reject x WHERE x.id = ANY (p_hex);
  -- Once in 10^9 another event has the same key: then its sightings stay, and with them those of this one.
  SELECT array_agg(k), min(k >> 47), max(k >> 47) INTO gone, from_bucket, to_bucket
    FROM unnest(gone) k WHERE NOT EXISTS (SELECT FROM event e WHERE e.key = k);
  IF gone IS NULL THEN
    UPDATE archive_count c SET events = c.events - events_delete.events WHERE c.lane = 2 AND events_delete.events > 0;
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(7, x.relay_id) FROM (SELECT DISTINCT s.relay_id FROM sighting s
    WHERE s.keys && gone AND s.bucket BETWEEN from_bucket AND to_bucket ORDER BY 1 OFFSET 0) x;
  WITH d AS (
    DELETE FROM sighting s WHERE s.keys && gone AND s.bucket BETWEEN from_bucket AND to_bucket RETURNING s.*
  ), n AS MATERIALIZED (
    SELECT row_number() OVER () AS i, d.* FROM d
  ), rest AS (
    INSERT INTO sighting (seen_at, relay_id, bucket, tmax, tmin, relay_url, keys, lags)
      SELECT n.seen_at, n.relay_id, n.bucket, max(u.key) >> 32, min(u.key) >> 32, n.relay_url, array_agg(u.key ORDER BY u.key),
        CASE WHEN n.lags IS NOT NULL THEN array_agg(u.lag ORDER BY u.key) END
      FROM n CROSS JOIN LATERAL unnest(n.keys, n.lags) u(key, lag) WHERE NOT EXISTS (SELECT FROM unnest(gone) k WHERE k = u.key)
      GROUP BY n.i, n.seen_at, n.relay_id, n.bucket, n.relay_url, n.lags
      RETURNING cardinality(keys) AS c
  )
  SELECT coalesce((SELECT sum(cardinality(n.keys)) FROM n), 0) - coalesce((SELECT sum(c) FROM rest), 0) INTO sightings;
  UPDATE archive_count c SET events = c.events - events_delete.events, sightings = c.sightings - events_delete.sightings
    WHERE c.lane = 2;
END $$;
COMMENT ON FUNCTION events_delete IS 'Deletes events and their sightings; without a tombstone a relay may bring them again.';
COMMENT ON TABLE archive_count IS 'Events and sightings that are stored; rows deleted by hand, and not by events_delete(), are not taken off.';

CREATE FUNCTION tombstone_add(p_what text, p_value bytea, p_until int8, p_reason text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7, -2);
  INSERT INTO tombstone (what, value, until, taghash, reason)
    VALUES (p_what, p_value, p_until, CASE WHEN p_what = 'recipient' THEN (tag('p', encode(p_value, 'hex')))[1] END, p_reason)
    ON CONFLICT (what, value) DO UPDATE SET until = greatest(tombstone.until, excluded.until), reason = excluded.reason;
END $$;
COMMENT ON FUNCTION tombstone_add IS 'Excludes events for ever. Those that are here stay until excluded_delete() has taken them.';

-- Events that such a tombstone excludes.
CREATE FUNCTION excluded_events(p_what text, p_value bytea, p_until int8) RETURNS TABLE (id bytea, created_at int8, key int8)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
  CASE p_what
    WHEN 'event' THEN RETURN QUERY SELECT e.id, e.created_at, e.key FROM event e
      WHERE encode(e.id, 'hex') = encode(p_value, 'hex') AND e.created_at <= p_until;
    WHEN 'author' THEN RETURN QUERY SELECT e.id, e.created_at, e.key FROM event e
      WHERE encode(e.pubkey, 'hex') = encode(p_value, 'hex') AND e.created_at <= p_until;
    WHEN 'recipient' THEN RETURN QUERY SELECT e.id, e.created_at, e.key FROM event e
      WHERE e.taghash @> tag('p', encode(p_value, 'hex')) AND e.kind = 1059 AND e.created_at <= p_until;
    WHEN 'kind' THEN RETURN QUERY SELECT e.id, e.created_at, e.key FROM event e
      WHERE e.kind = ('x' || encode(p_value, 'hex'))::bit(32)::int4 AND e.created_at <= p_until;
  END CASE;
END $$;

-- One step: at most p_most of them.  Call again until it returns 0 events.
CREATE FUNCTION excluded_delete(p_what text, p_value bytea, p_until int8, p_most int4, OUT events int8, OUT sightings int8)
LANGUAGE plpgsql AS $$
DECLARE
  ids bytea[];
  ats int8[];
BEGIN
  SELECT array_agg(x.id), array_agg(x.created_at) INTO ids, ats
    FROM (SELECT e.id, e.created_at FROM excluded_events(p_what, p_value, p_until) e ORDER BY e.created_at LIMIT p_most) x;
  IF p_what = 'author' THEN
    DELETE FROM event_reject x WHERE encode(x.raw, 'escape') ~ ('"pubkey"\s*:\s*"' || encode(p_value, 'hex') || '"');
  ELSIF p_what = 'event' THEN
    DELETE FROM event_reject x WHERE x.id = encode(p_value, 'hex');
  END IF;
  IF ids IS NULL THEN
    events := 0;
    sightings := 0;
  ELSE
    SELECT d.events, d.sightings INTO events, sightings FROM events_delete(ids, ats) d;
  END IF;
END $$;
COMMENT ON FUNCTION excluded_delete IS 'Deletes at most so many events that such a tombstone excludes; bigbrotr purge and vanish call it until none is left.';

CREATE OR REPLACE FUNCTION exclude(p_what text, p_value bytea, p_until int8 DEFAULT 9223372036854775807, p_reason text DEFAULT '')
RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  n int8;
  total int8 := 0;
BEGIN
  PERFORM tombstone_add(p_what, p_value, p_until, p_reason);
  LOOP
    n := (excluded_delete(p_what, p_value, p_until, 500)).events;
    EXIT WHEN n = 0;
    total := total + n;
  END LOOP;
  RETURN total;
END $$;
COMMENT ON FUNCTION exclude IS 'Writes a tombstone and deletes what it excludes, in one transaction; returns how many events went.';

-- Requests to vanish that name ALL_RELAYS (NIP-62).  Written with the event that asks, carried out in steps by the daemon, unless
-- [archive] vanish says otherwise: then they stay here, and are carried out when it says so again.
CREATE TABLE vanish_request (
  pubkey bytea NOT NULL CHECK (octet_length(pubkey) = 32),
  until int8 NOT NULL,
  request_id bytea NOT NULL,
  arrived_at int8 NOT NULL DEFAULT extract(epoch FROM now())::int8,
  done_at int8,
  events int8 NOT NULL DEFAULT 0,
  PRIMARY KEY (pubkey, until)
);
CREATE INDEX vanish_request_open ON vanish_request (arrived_at) WHERE done_at IS NULL;
COMMENT ON TABLE vanish_request IS 'Authors who have asked all relays to forget them (NIP-62, kind 62).';
COMMENT ON COLUMN vanish_request.until IS 'created_at of the request: what they wrote up to then goes, and gift wraps to them.';
COMMENT ON COLUMN vanish_request.done_at IS 'When the last of it had gone; NULL: not yet.';
INSERT INTO vanish_request (pubkey, until, request_id)
  SELECT e.pubkey, e.created_at, e.id FROM event e WHERE e.kind = 62 AND e.taghash @> tag('relay', 'ALL_RELAYS')
  ON CONFLICT DO NOTHING;

-- One step: at most p_most events of at most p_requests requests.  Without p_wait, busy is true when a writer stands in the way.
CREATE FUNCTION vanish_step(p_requests int4, p_most int4, p_wait boolean, OUT busy boolean, OUT more boolean,
  OUT events int8, OUT sightings int8)
LANGUAGE plpgsql AS $$
DECLARE
  r vanish_request;
  what text;
  n record;
  whole boolean;
BEGIN
  busy := false;
  more := false;
  events := 0;
  sightings := 0;
  IF NOT EXISTS (SELECT FROM vanish_request v WHERE v.done_at IS NULL) THEN
    RETURN;
  END IF;
  IF p_wait THEN
    PERFORM pg_advisory_xact_lock(7, -2);
  ELSIF NOT pg_try_advisory_xact_lock(7, -2) THEN
    busy := true;
    more := true;
    RETURN;
  END IF;
  FOR r IN SELECT * FROM vanish_request v WHERE v.done_at IS NULL ORDER BY v.arrived_at, v.pubkey LIMIT p_requests LOOP
    FOREACH what IN ARRAY ARRAY['author', 'recipient'] LOOP
      EXIT WHEN events >= p_most;
      PERFORM tombstone_add(what, r.pubkey, r.until, 'NIP-62 request ' || encode(r.request_id, 'hex'));
      SELECT d.events AS e, d.sightings AS s INTO n FROM excluded_delete(what, r.pubkey, r.until, (p_most - events)::int4) d;
      events := events + n.e;
      sightings := sightings + n.s;
      UPDATE vanish_request v SET events = v.events + n.e WHERE v.pubkey = r.pubkey AND v.until = r.until AND n.e > 0;
    END LOOP;
    whole := events < p_most; -- else there may be more of this one
    UPDATE vanish_request v SET done_at = extract(epoch FROM clock_timestamp())::int8
      WHERE v.pubkey = r.pubkey AND v.until = r.until AND whole;
    EXIT WHEN NOT whole;
  END LOOP;
  more := EXISTS (SELECT FROM vanish_request v WHERE v.done_at IS NULL);
END $$;
COMMENT ON FUNCTION vanish_step IS 'Carries out requests to vanish, a bounded number of events at a time; the daemon calls it.';
