-- What people read.  Hexadecimal text and JSON; each view can be scanned whatever relays have sent.

CREATE VIEW events AS
  SELECT encode(e.id, 'hex') AS id, encode(e.pubkey, 'hex') AS pubkey, e.created_at, e.kind, e.tags::jsonb AS tags,
    tag_values(e.tags) AS tagvalues, e.taghash, e.content, encode(e.sig, 'hex') AS sig, e.lossy
  FROM event e;
COMMENT ON VIEW events IS 'Every verified event. Rows may be deleted through it; event_json(id) gives the exact NIP-01 object.';
COMMENT ON COLUMN events.id IS 'Lower-case hex. Compare with nostr_id(''note1..'') for other forms.';
COMMENT ON COLUMN events.created_at IS 'UNIX seconds, as the author claims: 0 to 2^53-1.';
COMMENT ON COLUMN events.tagvalues IS 'The first value of every tag, for reading.';
COMMENT ON COLUMN events.taghash IS 'For searching: taghash @> tag(''t'', ''bitcoin'').';
COMMENT ON COLUMN events.lossy IS 'The event holds a NUL, shown here as U+FFFD; event_json(id) is exact.';

-- The relays of an event are found through the keys of the chunks, the events of a relay through (relay_url, seen_at), each then
-- through event.key.  created_at follows from the key but for clamped ones; it is said again so that one partition is read.  @> and &&
-- say the same of one key: the planner guesses 1 row in 200 for the first alone, and would rather read the whole table; together 1 in
-- 20,000.  What was seen at a relay comes sorted by time from the functions below: the view sorts all of it.
CREATE VIEW events_relays AS
  SELECT encode(e.id, 'hex') AS event_id, s.relay_url, s.seen_at + coalesce(u.lag, 0) / 1000 AS seen_at,
    s.seen_at * 1000 + coalesce(u.lag, 0) AS seen_at_ms
  FROM sighting s CROSS JOIN LATERAL unnest(s.keys, s.lags) u(key, lag)
  JOIN event e ON e.key = u.key AND s.bucket = (e.key >> 47)::int4 AND s.keys @> ARRAY[e.key] AND s.keys && ARRAY[e.key]
      AND e.created_at >= u.key >> 32
      AND e.created_at <= CASE WHEN u.key >> 32 < 2147483647 THEN u.key >> 32 ELSE 9223372036854775807 END;
COMMENT ON VIEW events_relays IS 'Which event was seen at which relay, and when first.';
COMMENT ON COLUMN events_relays.seen_at_ms IS 'UNIX milliseconds; exact to the millisecond for events seen within an hour of created_at, else to the second of the batch, and after some days to the hour.';

CREATE VIEW unique_events_stats AS
  SELECT n.events AS unique_events, p.pairs AS total_event_relay_pairs, p.relays AS relays_with_events,
    round(p.pairs::numeric / nullif(n.events, 0), 2) AS avg_relays_per_event
  FROM (SELECT count(*) AS events FROM event) n,
    (SELECT coalesce(sum(s.n), 0)::int8 AS pairs, count(DISTINCT s.relay_id) AS relays FROM (
      SELECT relay_id, cardinality(keys) AS n FROM sighting) s) p;
COMMENT ON VIEW unique_events_stats IS 'The archive in four numbers; counts everything, so it takes a while.';

CREATE VIEW relay_coverage AS
  SELECT r.url AS relay_url, f.identity AS filter, c.lo, c.hi, g.name AS grade, c.proved_at
  FROM coverage c JOIN relays r USING (relay_id) JOIN filter f USING (filter_id) JOIN grade g USING (grade);
COMMENT ON VIEW relay_coverage IS 'Spans of created_at in which the archive has everything that the relay would serve, and by what kind of proof.';
COMMENT ON COLUMN relay_coverage.grade IS 'Best first: negentropy, finish, walk, walk-kinds, live, heuristic.';

CREATE VIEW relay_gap AS
  SELECT r.url AS relay_url, f.identity AS filter, g.lo, g.hi, n.name AS reason, g.first_seen, g.tries::int4 AS tries, g.tried_at
  FROM gap g JOIN relays r USING (relay_id) JOIN filter f USING (filter_id) JOIN gap_reason n USING (reason);
COMMENT ON VIEW relay_gap IS 'Spans that could not be proven complete, and why.';
COMMENT ON COLUMN relay_gap.hi IS '9223372036854775807: open above.';
COMMENT ON COLUMN relay_gap.tries IS 'How often it was tried again since first_seen.';

-- What the view cannot do by index: a relay's events by time.  A row of sightings begins at seen_at and, where it has lags, may reach
-- into the hour behind; without lags all of it is of that second.

-- The n newest are not older than the row in which the n-th event stands, rows taken newest first; what may be as new is sorted: all
-- from that row on, and rows with lags from the hour before.  The plan is kept, and walks the index backwards (no sort of all rows).
CREATE FUNCTION relay_newest(url text, n int4) RETURNS TABLE (event_id text, seen_at int8, seen_at_ms int8)
LANGUAGE plpgsql STABLE STRICT ROWS 50
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
  begins int8;
BEGIN
  SELECT s.seen_at INTO begins
    FROM (SELECT y.seen_at, y.keys FROM sighting y WHERE y.relay_url = $1 ORDER BY y.seen_at DESC OFFSET 0) s
    CROSS JOIN LATERAL unnest(s.keys) u(key)
    CROSS JOIN LATERAL (SELECT FROM event y WHERE y.key = u.key AND y.created_at >= u.key >> 32
      AND y.created_at <= CASE WHEN u.key >> 32 < 2147483647 THEN u.key >> 32 ELSE 9223372036854775807 END OFFSET 0) e
    ORDER BY s.seen_at DESC OFFSET greatest(n, 1) - 1 LIMIT 1;
  RETURN QUERY SELECT encode(e.id, 'hex'), u.ms / 1000, u.ms
    FROM (SELECT k.key, s.seen_at * 1000 + coalesce(k.lag, 0) AS ms
      FROM sighting s CROSS JOIN LATERAL unnest(s.keys, s.lags) k(key, lag)
      WHERE s.relay_url = $1 AND s.seen_at > coalesce(begins, 0) - 3600 AND (s.lags IS NOT NULL OR s.seen_at >= coalesce(begins, 0))
      ORDER BY 2 DESC OFFSET 0) u
    CROSS JOIN LATERAL (SELECT y.id FROM event y WHERE y.key = u.key AND y.created_at >= u.key >> 32
      AND y.created_at <= CASE WHEN u.key >> 32 < 2147483647 THEN u.key >> 32 ELSE 9223372036854775807 END OFFSET 0) e
    ORDER BY u.ms DESC LIMIT n;
END $$;
COMMENT ON FUNCTION relay_newest IS 'The n events first seen last at a relay, newest first: in milliseconds however much the relay holds.';

CREATE FUNCTION relay_seen(url text, since int8, until int8) RETURNS TABLE (event_id text, seen_at int8, seen_at_ms int8)
LANGUAGE sql STABLE STRICT ROWS 1000 SET enable_seqscan = off SET jit = off AS $$
  SELECT encode(e.id, 'hex'), u.ms / 1000, u.ms
  FROM (SELECT k.key, s.seen_at * 1000 + coalesce(k.lag, 0) AS ms FROM sighting s CROSS JOIN LATERAL unnest(s.keys, s.lags) k(key, lag)
    WHERE s.relay_url = $1 AND s.seen_at <= $3 AND s.seen_at > greatest($2, 0) - 3600
      AND (s.lags IS NOT NULL OR s.seen_at >= $2) OFFSET 0) u
  CROSS JOIN LATERAL (SELECT y.id FROM event y WHERE y.key = u.key AND y.created_at >= u.key >> 32
    AND y.created_at <= CASE WHEN u.key >> 32 < 2147483647 THEN u.key >> 32 ELSE 9223372036854775807 END OFFSET 0) e
  WHERE u.ms / 1000 BETWEEN $2 AND $3 ORDER BY u.ms, e.id $$;
COMMENT ON FUNCTION relay_seen IS 'Events first seen at a relay between two seconds, both included, in that order; by index.';

CREATE FUNCTION relay_events(url text, since int8, until int8)
RETURNS TABLE (event_id text, created_at int8, seen_at int8, seen_at_ms int8)
LANGUAGE sql STABLE STRICT ROWS 1000 SET enable_seqscan = off SET jit = off AS $$
  SELECT encode(e.id, 'hex'), e.created_at, u.ms / 1000, u.ms
  FROM (SELECT k.key, s.seen_at * 1000 + coalesce(k.lag, 0) AS ms
    FROM (SELECT r.relay_id, least(greatest($2, 0), 2147483647)::int4 AS lo, least(greatest($3, 0), 2147483647)::int4 AS hi
      FROM relays r WHERE r.url = $1 OFFSET 0) r
    CROSS JOIN LATERAL (SELECT x.seen_at, x.keys, x.lags FROM sighting x WHERE x.relay_id = r.relay_id
      AND x.bucket >= r.lo >> 15 AND x.bucket <= r.hi >> 15 AND x.tmax >= r.lo AND x.tmin <= r.hi OFFSET 0) s
    CROSS JOIN LATERAL unnest(s.keys, s.lags) k(key, lag) WHERE k.key >> 32 BETWEEN r.lo AND r.hi OFFSET 0) u
  CROSS JOIN LATERAL (SELECT y.id, y.created_at FROM event y WHERE y.key = u.key AND y.created_at >= u.key >> 32
    AND y.created_at <= CASE WHEN u.key >> 32 < 2147483647 THEN u.key >> 32 ELSE 9223372036854775807 END OFFSET 0) e
  WHERE e.created_at BETWEEN $2 AND $3 ORDER BY e.created_at, e.id $$;
COMMENT ON FUNCTION relay_events IS 'Events of a relay by created_at, from one second to another, both included, in that order; by index.';
