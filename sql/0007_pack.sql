-- Packing of live sightings.  A live tail brings a few events a second from each relay, and each second would be a row of its own
-- (some 200 bytes a sighting).  When an hour is over, its rows become rows of up to 240 keys: lags then count from the first second of
-- the row, so that every time stays exact to the millisecond.

COMMENT ON COLUMN sighting.seen_at IS 'The second in which the first of these keys was seen at the relay; the others within the hour (lags). For events older than an hour at that time (history) that of the batch they came with, after some days the hour.';
COMMENT ON COLUMN sighting.lags IS 'Milliseconds after seen_at for each key; NULL: not kept (history).';

-- One step of packing one relay: at most `rows_max` small rows of buckets from `from_bucket` on, exact ones of hours that ended before
-- `hour`, those of history three days later, and no more than eight keys for each of `rows_max` (but 1,000: so that what is begun
-- always saves a row).  Reads the index of this relay and these buckets only, twice at most whatever the planner believes of a relay
-- that it has no statistics of yet: no loop over what is worth it.  Returns how many rows fewer there are; call again while that is
-- not 0.  How long it takes is for the caller to watch: the relay's lock is held meanwhile.  Never compiled: that would take seconds, since
-- what is switched off here makes any plan look expensive.
CREATE FUNCTION sighting_pack(p_relay int4, from_bucket int4, hour int8, rows_max int4) RETURNS int8 LANGUAGE plpgsql
SET enable_nestloop = off SET enable_seqscan = off SET jit = off AS $$
DECLARE
  rows_out int8;
  rows_in int8;
BEGIN
  PERFORM pg_advisory_xact_lock(7, p_relay);
  WITH small AS (
    SELECT s.tableoid, s.ctid, s.bucket, s.lags IS NULL AS history, s.seen_at / 3600 AS slot, cardinality(s.keys) AS own,
      count(*) OVER w AS n, sum(cardinality(s.keys)) OVER w AS keys
    FROM sighting s WHERE s.relay_id = p_relay AND s.bucket >= from_bucket AND cardinality(s.keys) < 180
      AND s.seen_at < CASE WHEN s.lags IS NULL THEN hour / 3600 * 3600 - 259200 ELSE hour / 3600 * 3600 END
    WINDOW w AS (PARTITION BY s.bucket, s.lags IS NULL, s.seen_at / 3600)
  ), worth AS MATERIALIZED (
    SELECT x.tableoid, x.ctid FROM (
      SELECT t.tableoid, t.ctid, sum(t.own) OVER (ORDER BY t.bucket, t.history, t.slot, t.tableoid, t.ctid) AS upto
      FROM small t WHERE t.n >= 4 AND t.keys < 120 * t.n ORDER BY t.bucket, t.history, t.slot, t.tableoid, t.ctid LIMIT rows_max) x
    WHERE x.upto <= greatest(rows_max::int8 * 8, 1000)
  ), gone AS (
    DELETE FROM sighting s USING worth t WHERE s.tableoid = t.tableoid AND s.ctid = t.ctid AND s.relay_id = p_relay
      AND s.bucket >= from_bucket
    RETURNING s.bucket, s.relay_url, s.seen_at, s.keys, s.lags
  ), k AS (
    SELECT g.bucket, g.relay_url, g.lags IS NULL AS history, g.seen_at / 3600 AS slot, u.key, g.seen_at * 1000 + u.lag AS at_ms,
      min(g.seen_at) OVER w AS first_at,
      (row_number() OVER (w ORDER BY g.seen_at * 1000 + u.lag, u.key) - 1) / 240 AS chunk
    FROM gone g CROSS JOIN LATERAL unnest(g.keys, g.lags) u(key, lag)
    WINDOW w AS (PARTITION BY g.bucket, g.lags IS NULL, g.seen_at / 3600)
  ), c AS (
    SELECT k.*, coalesce(min(k.at_ms) OVER (PARTITION BY k.bucket, k.history, k.slot, k.chunk) / 1000, k.first_at) AS begins FROM k
  ), made AS (
    INSERT INTO sighting (seen_at, relay_id, bucket, tmax, tmin, relay_url, keys, lags)
      SELECT c.begins, p_relay, c.bucket, max(c.key) >> 32, min(c.key) >> 32, c.relay_url, array_agg(c.key ORDER BY c.key),
        CASE WHEN NOT c.history THEN array_agg((c.at_ms - c.begins * 1000)::int4 ORDER BY c.key) END
      FROM c GROUP BY c.bucket, c.history, c.slot, c.chunk, c.begins, c.relay_url
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM made) INTO rows_out, rows_in;
  RETURN rows_out - rows_in;
END $$;
COMMENT ON FUNCTION sighting_pack IS 'Packs small rows of sightings of one relay, a bounded number; the daemon calls it all the time.';
