-- What the archive as a whole says, and no relay does: what only one of them holds, what may be lost soon, how events spread.
--
-- Each asks, for one event after the other, by index, who else has it (OFFSET 0 keeps that a look-up).  So they answer at once for a relay,
-- an event, a LIMIT; for all that was ever archived they take as long as there are events.

CREATE VIEW relay_dying AS
  SELECT h.relay_url, h.network, h.state, h.error, h.failing_since, h.last_success
  FROM relay_health h WHERE h.state = 'retired' OR (h.state = 'failing' AND h.failing_since < now() - interval '7 days');
COMMENT ON VIEW relay_dying IS 'Relays that have failed every check for a week or longer.';

CREATE VIEW events_on_one_relay AS
  SELECT encode(e.id, 'hex') AS event_id, s.relay_url, e.created_at, e.kind, s.seen_at + coalesce(u.lag, 0) / 1000 AS seen_at
  FROM sighting s CROSS JOIN LATERAL unnest(s.keys, s.lags) u(key, lag)
  JOIN event e ON e.key = u.key AND s.bucket = (e.key >> 47)::int4 AND s.keys @> ARRAY[e.key] AND s.keys && ARRAY[e.key]
      AND e.created_at >= u.key >> 32
      AND e.created_at <= CASE WHEN u.key >> 32 < 2147483647 THEN u.key >> 32 ELSE 9223372036854775807 END
  WHERE NOT EXISTS (SELECT FROM sighting o WHERE o.bucket = s.bucket AND o.keys @> ARRAY[u.key] AND o.keys && ARRAY[u.key]
    AND o.relay_id <> s.relay_id OFFSET 0);
COMMENT ON VIEW events_on_one_relay IS 'Events that were seen at one relay only. Quick for a relay (relay_url = ..), an event or a LIMIT.';

CREATE VIEW endangered_events AS
  SELECT encode(e.id, 'hex') AS event_id, d.relay_url, e.created_at, e.kind, s.seen_at + coalesce(u.lag, 0) / 1000 AS seen_at,
    d.failing_since
  FROM relay_dying d JOIN sighting s ON s.relay_url = d.relay_url CROSS JOIN LATERAL unnest(s.keys, s.lags) u(key, lag)
  JOIN event e ON e.key = u.key AND s.bucket = (e.key >> 47)::int4 AND s.keys @> ARRAY[e.key] AND s.keys && ARRAY[e.key]
      AND e.created_at >= u.key >> 32
      AND e.created_at <= CASE WHEN u.key >> 32 < 2147483647 THEN u.key >> 32 ELSE 9223372036854775807 END
  WHERE NOT EXISTS (SELECT FROM sighting o WHERE o.bucket = s.bucket AND o.keys @> ARRAY[u.key] AND o.keys && ARRAY[u.key]
    AND o.relay_url NOT IN (SELECT x.relay_url FROM relay_dying x) OFFSET 0);
COMMENT ON VIEW endangered_events IS 'Events that only dying relays hold (relay_dying), one row for each of those relays: here they may soon be the last copy.';

CREATE VIEW event_propagation AS
  SELECT x.event_id, x.created_at, x.relay_url, x.seen_at_ms, first_value(x.relay_url) OVER w AS first_relay_url,
    x.seen_at_ms - first_value(x.seen_at_ms) OVER w AS delay_ms
  FROM (SELECT encode(e.id, 'hex') AS event_id, e.created_at, s.relay_url, s.seen_at * 1000 + u.lag AS seen_at_ms
    FROM sighting s CROSS JOIN LATERAL unnest(s.keys, s.lags) u(key, lag)
    JOIN event e ON e.key = u.key AND s.bucket = (e.key >> 47)::int4 AND s.keys @> ARRAY[e.key] AND s.keys && ARRAY[e.key]
        AND e.created_at >= u.key >> 32
        AND e.created_at <= CASE WHEN u.key >> 32 < 2147483647 THEN u.key >> 32 ELSE 9223372036854775807 END
    WHERE s.lags IS NOT NULL) x
  WINDOW w AS (PARTITION BY x.event_id ORDER BY x.seen_at_ms, x.relay_url);
COMMENT ON VIEW event_propagation IS 'How long after its first relay an event came to the others, where it was seen live (within an hour of created_at). Name an event; for many, events_propagation().';
COMMENT ON COLUMN event_propagation.delay_ms IS 'As seen from here: the way from each relay to us is part of it.';

CREATE FUNCTION events_propagation(since int8, until int8)
RETURNS TABLE (event_id text, created_at int8, first_relay_url text, first_seen_at_ms int8, relays int8, median_ms int8, last_ms int8)
LANGUAGE sql STABLE STRICT ROWS 1000 SET enable_seqscan = off AS $$
  WITH span AS MATERIALIZED (
    SELECT least(greatest($1, 0), 2147483647)::int4 AS lo, least(greatest($2, 0), 2147483647)::int4 AS hi),
  seen AS (
    SELECT k.key, s.relay_url, s.seen_at * 1000 + k.lag AS ms,
      row_number() OVER (PARTITION BY k.key ORDER BY s.seen_at * 1000 + k.lag, s.relay_url) AS nth
    FROM span b CROSS JOIN relays r CROSS JOIN LATERAL (SELECT x.relay_url, x.seen_at, x.keys, x.lags FROM sighting x
      WHERE x.relay_id = r.relay_id AND x.bucket >= b.lo >> 15 AND x.bucket <= b.hi >> 15 AND x.tmax >= b.lo AND x.tmin <= b.hi
        AND x.lags IS NOT NULL OFFSET 0) s
    CROSS JOIN LATERAL unnest(s.keys, s.lags) k(key, lag) WHERE k.key >> 32 BETWEEN b.lo AND b.hi),
  spread AS (
    SELECT s.key, min(s.relay_url) FILTER (WHERE s.nth = 1) AS first_relay, min(s.ms) AS first_ms, count(*) AS n,
      percentile_disc(0.5) WITHIN GROUP (ORDER BY s.ms) FILTER (WHERE s.nth > 1) AS middle_ms, max(s.ms) AS max_ms
    FROM seen s GROUP BY s.key)
  SELECT encode(e.id, 'hex'), e.created_at, p.first_relay, p.first_ms, p.n, p.middle_ms - p.first_ms,
    CASE WHEN p.n > 1 THEN p.max_ms - p.first_ms END
  FROM spread p CROSS JOIN LATERAL (SELECT y.id, y.created_at FROM event y WHERE y.key = p.key AND y.created_at >= p.key >> 32
    AND y.created_at <= CASE WHEN p.key >> 32 < 2147483647 THEN p.key >> 32 ELSE 9223372036854775807 END OFFSET 0) e
  WHERE e.created_at BETWEEN $1 AND $2 ORDER BY e.created_at, e.id $$;
COMMENT ON FUNCTION events_propagation IS 'Events from one second of created_at to another that were seen live: the first relay, how many, how long until half of the others and until the last had it; by index.';
