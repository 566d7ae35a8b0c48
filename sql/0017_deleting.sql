-- Deleting in steps that stay small, beside writers that may just be writing the first sighting of an event that has none.
--
-- A writer asks under the shared lock (7, -2) which events are there, and then relies on it.  So the candidates are found without a lock,
-- and looked at once more under it, by a statement of its own: that one sees what was committed meanwhile.

-- One step: whole buckets from this key on with about p_most events, of which at most so many are deleted.  next: where to go on; NULL: done.
CREATE FUNCTION orphans_step(p_from int8, p_most int4, OUT next int8, OUT events int8) LANGUAGE plpgsql AS $$
DECLARE
  last_bucket constant int8 := 65535; -- created_at of 2147483647 and later
  up_to int8; -- bucket
  until int8;
  ids bytea[];
  ats int8[];
  last int8;
BEGIN
  LOCK TABLE event IN ROW EXCLUSIVE MODE; -- who may not delete hears it at once
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'orphans are deleted in READ COMMITTED only: what is committed meanwhile must be seen'
      USING ERRCODE = 'active_sql_transaction';
  END IF;
  events := 0;
  SELECT e.key >> 47 INTO up_to FROM event e WHERE e.key >= p_from ORDER BY e.key LIMIT 1 OFFSET p_most;
  up_to := coalesce(up_to, last_bucket);
  IF up_to < last_bucket THEN
    until := (up_to + 1) << 47;
  END IF;
  SELECT array_agg(x.id), array_agg(x.created_at), max(x.key) INTO ids, ats, last FROM (
    SELECT e.id, e.created_at, e.key FROM event e WHERE e.key >= p_from AND (until IS NULL OR e.key < until)
      AND NOT EXISTS (SELECT FROM (
        SELECT unnest(s.keys) AS key FROM sighting s WHERE s.bucket BETWEEN p_from >> 47 AND up_to) k WHERE k.key = e.key)
    ORDER BY e.key LIMIT p_most) x;
  next := until;
  IF ids IS NULL THEN
    RETURN;
  END IF;
  IF cardinality(ids) = p_most THEN
    next := last; -- there may be more of them
  END IF;
  PERFORM pg_advisory_xact_lock(7, -2);
  SELECT array_agg(u.id), array_agg(u.at) INTO ids, ats FROM unnest(ids, ats) u(id, at)
    CROSS JOIN LATERAL (SELECT e.key FROM event e WHERE encode(e.id, 'hex') = encode(u.id, 'hex') AND e.created_at = u.at) e
    WHERE NOT EXISTS (SELECT FROM sighting s WHERE s.bucket = (e.key >> 47)::int4 AND s.keys @> ARRAY[e.key] AND s.keys && ARRAY[e.key]);
  IF ids IS NOT NULL THEN
    events := (events_delete(ids, ats)).events;
  END IF;
END $$;
COMMENT ON FUNCTION orphans_step IS 'Deletes events that no relay was ever seen to hold, from one key on, a bounded number at a time; bigbrotr maintenance --orphans calls it until next is null.';

CREATE OR REPLACE FUNCTION delete_orphan_events() RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  step record;
  at int8 := 0;
  total int8 := 0;
BEGIN
  WHILE at IS NOT NULL LOOP
    SELECT s.next, s.events INTO step FROM orphans_step(at, 50000) s;
    total := total + step.events;
    at := step.next;
  END LOOP;
  RETURN total;
END $$;
COMMENT ON FUNCTION delete_orphan_events IS 'Deletes events that no relay was ever seen to hold (imported ones too); returns how many.  In one transaction, for which writers wait: bigbrotr maintenance --orphans lets them in between.';

-- Of an author with a million events, each step looked at all that were left: now at those that it deletes.
CREATE OR REPLACE FUNCTION excluded_delete(p_what text, p_value bytea, p_until int8, p_most int4, OUT events int8, OUT sightings int8)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  ids bytea[];
  ats int8[];
BEGIN
  CASE p_what
    WHEN 'event' THEN SELECT array_agg(x.id), array_agg(x.created_at) INTO ids, ats FROM (SELECT e.id, e.created_at FROM event e
      WHERE encode(e.id, 'hex') = encode(p_value, 'hex') AND e.created_at <= p_until LIMIT p_most) x;
    WHEN 'author' THEN SELECT array_agg(x.id), array_agg(x.created_at) INTO ids, ats FROM (SELECT e.id, e.created_at FROM event e
      WHERE encode(e.pubkey, 'hex') = encode(p_value, 'hex') AND e.created_at <= p_until LIMIT p_most) x;
    WHEN 'recipient' THEN SELECT array_agg(x.id), array_agg(x.created_at) INTO ids, ats FROM (SELECT e.id, e.created_at FROM event e
      WHERE e.taghash @> tag('p', encode(p_value, 'hex')) AND e.kind = 1059 AND e.created_at <= p_until LIMIT p_most) x;
    WHEN 'kind' THEN SELECT array_agg(x.id), array_agg(x.created_at) INTO ids, ats FROM (SELECT e.id, e.created_at FROM event e
      WHERE e.kind = ('x' || encode(p_value, 'hex'))::bit(32)::int4 AND e.created_at <= p_until LIMIT p_most) x;
  END CASE;
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
