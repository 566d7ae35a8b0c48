-- What relays sent that is not archived: counted, never kept one by one, since an attacker has as many as he likes.

CREATE TABLE reject_count (
  relay_id int4 NOT NULL REFERENCES relays ON DELETE CASCADE,
  reason text NOT NULL CHECK (octet_length(reason) <= 64),
  events int8 NOT NULL,
  first_at int8 NOT NULL DEFAULT extract(epoch FROM now())::int8,
  last_at int8 NOT NULL DEFAULT extract(epoch FROM now())::int8,
  PRIMARY KEY (relay_id, reason)
) WITH (fillfactor = 50);
COMMENT ON TABLE reject_count IS 'How many events of a relay were refused, by reason. People read the view relay_reject.';
COMMENT ON COLUMN reject_count.events IS 'Each time one came, again or not; written a moment after the page, so a crash may forget the last.';

CREATE VIEW relay_reject AS
  SELECT r.url AS relay_url, c.reason, c.events, c.first_at, c.last_at FROM reject_count c JOIN relays r USING (relay_id);
COMMENT ON VIEW relay_reject IS 'Events that relays sent and the archive refused, by relay and reason; those the database refused stand in event_reject as they came.';

-- A second that was proven, looked at again (walks begin some time below the last proof) and found to hold more than can be asked for:
-- whatever was proven of it, what came late cannot be seen.  So this one gap takes the place of a proof; all others leave it.
CREATE FUNCTION coverage_cut(p_relay int4, p_filter int4, p_lo int8, p_hi int8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  c coverage;
  first_lo int8;
BEGIN
  SELECT max(x.lo) INTO first_lo FROM coverage x WHERE x.relay_id = p_relay AND x.filter_id = p_filter AND x.lo < p_lo;
  FOR c IN DELETE FROM coverage x WHERE x.relay_id = p_relay AND x.filter_id = p_filter
      AND x.lo >= coalesce(first_lo, p_lo) AND x.lo <= p_hi AND x.hi >= p_lo RETURNING *
  LOOP
    IF c.lo < p_lo THEN
      INSERT INTO coverage VALUES (p_relay, p_filter, c.lo, p_lo - 1, c.proved_at, c.grade);
    END IF;
    IF c.hi > p_hi THEN
      INSERT INTO coverage VALUES (p_relay, p_filter, p_hi + 1, c.hi, c.proved_at, c.grade);
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION coverage_cut IS 'Takes every proof out of a span.';

CREATE OR REPLACE FUNCTION gap_add(p_relay int4, p_filter int4, p_lo int8, p_hi int8, p_reason int2, p_at int8)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first_lo int8;
  next_lo int8 := p_lo;
  c coverage;
BEGIN
  IF p_reason = 0 THEN
    PERFORM coverage_cut(p_relay, p_filter, p_lo, p_hi);
  END IF;
  SELECT max(x.lo) INTO first_lo FROM coverage x WHERE x.relay_id = p_relay AND x.filter_id = p_filter AND x.lo < p_lo;
  FOR c IN SELECT * FROM coverage x WHERE x.relay_id = p_relay AND x.filter_id = p_filter
      AND x.lo >= coalesce(first_lo, p_lo) AND x.lo <= p_hi AND x.hi >= p_lo ORDER BY x.lo
  LOOP
    IF next_lo < c.lo THEN
      PERFORM gap_put(p_relay, p_filter, next_lo, c.lo - 1, p_reason, p_at);
    END IF;
    IF c.hi >= p_hi THEN
      RETURN;
    END IF;
    next_lo := c.hi + 1;
  END LOOP;
  PERFORM gap_put(p_relay, p_filter, next_lo, p_hi, p_reason, p_at);
END $$;
COMMENT ON FUNCTION gap_add IS 'Adds one gap: over a gap it counts one more try; over a proof it stands only if it is dense.';
