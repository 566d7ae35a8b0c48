-- Health as people read it.  Each view reads one row a relay and its newest check, however long the history is.

CREATE VIEW nip66 AS
  SELECT c.id, check_answer(c.flags, 0) AS openable, check_answer(c.flags, 2) AS readable, check_answer(c.flags, 4) AS writable,
    c.rtt_open, c.rtt_read, c.rtt_write, c.rtt_nip11, c.dns_ms, c.tcp_ms, c.proxy_ms, c.tls_ms, c.upgrade_ms, c.dns_ttl,
    coalesce((SELECT e.name FROM check_error e WHERE e.error_id = c.error_id), '') AS error,
    c.flags & 64 <> 0 AS through_session, c.flags & 128 <> 0 AS counts,
    (SELECT v.name FROM vantage v WHERE v.vantage_id = (c.id & 31)::int2) AS vantage, c.finding_id
  FROM relay_check c;
COMMENT ON VIEW nip66 IS 'What one check of one relay measured (NIP-66). NULL: not tested. Rows may be deleted.';
COMMENT ON COLUMN nip66.rtt_open IS 'Milliseconds, as all rtt_ and _ms: name, connection, TLS and upgrade together.';
COMMENT ON COLUMN nip66.dns_ttl IS 'Seconds: the shortest of the records; 32767: that or more.';
COMMENT ON COLUMN nip66.error IS 'The first failure of opening and reading; empty: none.';
COMMENT ON COLUMN nip66.counts IS 'False: a failure that was not the relay''s, or a first one that a second check did not confirm. Not in uptime.';

CREATE VIEW relay_metadata AS
  SELECT r.url AS relay_url, check_at(c.id) AS generated_at, f.nip11_id, c.id AS nip66_id
  FROM relays r JOIN relay_check c ON check_relay(c.id) = r.relay_id
    LEFT JOIN finding f USING (finding_id);
COMMENT ON VIEW relay_metadata IS 'One row a check, failures too. Rows may be deleted.';
CREATE FUNCTION relay_metadata_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM relay_check WHERE id = old.nip66_id;
  RETURN CASE WHEN FOUND THEN old END;
END $$;
CREATE TRIGGER relay_metadata_delete INSTEAD OF DELETE ON relay_metadata FOR EACH ROW EXECUTE FUNCTION relay_metadata_delete();

CREATE VIEW relay_checks AS
  SELECT r.url AS relay_url, r.network, check_at(c.id) AS generated_at,
    check_answer(c.flags, 0) AS openable, check_answer(c.flags, 2) AS readable, check_answer(c.flags, 4) AS writable,
    c.rtt_open, c.rtt_read, c.rtt_write, c.rtt_nip11, c.dns_ms, c.tcp_ms, c.proxy_ms, c.tls_ms, c.upgrade_ms, c.dns_ttl,
    coalesce(e.name, '') AS error, f.write_error, f.nip11_error, f.http_status, f.contradictions,
    f.caps_known, f.caps, f.page_cap, c.flags & 64 <> 0 AS through_session, c.flags & 128 <> 0 AS counts, v.name AS vantage,
    f.nip11_id, c.id AS nip66_id, t.json AS tls, d.json AS dns, h.json AS http, g.json AS geo
  FROM relays r JOIN relay_check c ON check_relay(c.id) = r.relay_id
    LEFT JOIN check_error e USING (error_id) LEFT JOIN finding f USING (finding_id)
    LEFT JOIN vantage v ON v.vantage_id = (c.id & 31)::int2
    LEFT JOIN document t ON t.id = f.tls_id LEFT JOIN document d ON d.id = f.dns_id
    LEFT JOIN document h ON h.id = f.http_id LEFT JOIN document g ON g.id = f.geo_id;
COMMENT ON VIEW relay_checks IS 'Every check with all that it found: the history of a relay when one is named.';
COMMENT ON COLUMN relay_checks.contradictions IS 'Where the NIP-11 document and what was measured contradict each other.';
COMMENT ON COLUMN relay_checks.caps IS 'See finding.caps.';

-- The view answers this too, but sorts the whole history of the relay; this reads the newest checks only.
CREATE FUNCTION relay_history(url text, n int4) RETURNS SETOF relay_checks LANGUAGE sql STABLE STRICT ROWS 50 AS $$
  SELECT k.* FROM (SELECT c.id FROM relay_check c
      WHERE c.id >= (SELECT r.relay_id::int8 << 37 FROM relays r WHERE r.url = $1)
        AND c.id <= (SELECT r.relay_id::int8 << 37 | 137438953471 FROM relays r WHERE r.url = $1)
      ORDER BY c.id DESC LIMIT $2) x
    CROSS JOIN LATERAL (SELECT v.* FROM relay_checks v WHERE v.nip66_id = x.id OFFSET 0) k
  ORDER BY k.nip66_id DESC $$;
COMMENT ON FUNCTION relay_history IS 'The newest n checks of a relay, newest first: in a millisecond however long its history is.';

-- The newest check of each relay through relay_monitor.check_id: one look by primary key a relay.
CREATE VIEW relay_metadata_latest AS
  SELECT r.url AS relay_url, r.network, check_at(c.id) AS generated_at, f.nip11_id, c.id AS nip66_id,
    check_answer(c.flags, 0) AS nip66_openable, check_answer(c.flags, 2) AS nip66_readable,
    check_answer(c.flags, 4) AS nip66_writable, c.rtt_open AS nip66_rtt_open, c.rtt_read AS nip66_rtt_read,
    c.rtt_write AS nip66_rtt_write, coalesce(e.name, '') AS nip66_error,
    n.name AS nip11_name, n.description AS nip11_description, n.pubkey AS nip11_pubkey, n.contact AS nip11_contact,
    n.supported_nips AS nip11_supported_nips, n.software AS nip11_software, n.version AS nip11_version,
    n.limitation AS nip11_limitation
  FROM relays r JOIN relay_monitor m USING (relay_id) JOIN relay_check c ON c.id = m.check_id
    LEFT JOIN check_error e USING (error_id) LEFT JOIN finding f USING (finding_id) LEFT JOIN nip11 n ON n.id = f.nip11_id;
COMMENT ON VIEW relay_metadata_latest IS 'The newest check of each relay.';

CREATE VIEW readable_relays AS
  SELECT * FROM relay_metadata_latest WHERE nip66_readable ORDER BY nip66_rtt_read NULLS LAST, relay_url;
COMMENT ON VIEW readable_relays IS 'Relays that could be read at their newest check, quickest first.';

-- The windows as numbers: seven at a time are cut out of each ring (OFFSET 0: once), and what is not asked for is not computed.
CREATE VIEW relay_window AS
  SELECT x.relay_id, x.checks, x.opened, x.first_at, x.last_at,
    tally_sub(x.sums, t.hour, 1) AS checks_1d, tally_sub(x.sums, t.hour, 2) AS opened_1d,
    tally_sub(x.sums, t.hour, 4) AS open_n_1d, tally_sub(x.sums, t.hour, 6) AS open_ms_1d,
    tally_sub(x.sums, t.hour, 5) AS read_n_1d, tally_sub(x.sums, t.hour, 7) AS read_ms_1d,
    tally_sub(x.sums, t.week, 1) AS checks_7d, tally_sub(x.sums, t.week, 2) AS opened_7d,
    tally_sub(x.sums, t.month, 1) AS checks_30d, tally_sub(x.sums, t.month, 2) AS opened_30d,
    tally_sub(x.sums, t.month, 4) AS open_n_30d, tally_sub(x.sums, t.month, 6) AS open_ms_30d,
    tally_sub(x.sums, t.month, 5) AS read_n_30d, tally_sub(x.sums, t.month, 7) AS read_ms_30d
  FROM relay_tally x
    CROSS JOIN (SELECT extract(epoch FROM now())::int8 / 3600 AS hour, extract(epoch FROM now())::int8 / 86400 AS day OFFSET 0) n
    CROSS JOIN LATERAL (SELECT tally_before(x.sums, x.hours, 25, x.last_at / 3600, n.hour - 24) AS hour,
      tally_before(x.sums, x.days, 30, x.last_at / 86400, n.day - 6) AS week,
      tally_before(x.sums, x.days, 30, x.last_at / 86400, n.day - 29) AS month OFFSET 0) t;
COMMENT ON VIEW relay_window IS 'What was counted in the last 24 hours (to the hour), and today and the 6 or 29 days before (UTC); sums of milliseconds.';

CREATE VIEW relay_uptime AS
  SELECT r.url AS relay_url, w.checks AS total_checks, w.opened AS successful_checks,
    round(100.0 * w.opened / nullif(w.checks, 0), 2) AS uptime_percentage, w.first_at AS first_check, w.last_at AS last_check,
    w.checks_1d AS total_checks_1d, w.opened_1d AS successful_checks_1d,
    round(100.0 * w.opened_1d / nullif(w.checks_1d, 0), 2) AS uptime_percentage_1d,
    w.checks_7d AS total_checks_7d, w.opened_7d AS successful_checks_7d,
    round(100.0 * w.opened_7d / nullif(w.checks_7d, 0), 2) AS uptime_percentage_7d,
    w.checks_30d AS total_checks_30d, w.opened_30d AS successful_checks_30d,
    round(100.0 * w.opened_30d / nullif(w.checks_30d, 0), 2) AS uptime_percentage_30d
  FROM relays r JOIN relay_window w USING (relay_id);
COMMENT ON VIEW relay_uptime IS 'How often each relay could be opened, of the checks that count: ever, in the last 24 hours (to the hour), and on the last 7 and 30 days (UTC, today is one of them).';
COMMENT ON COLUMN relay_uptime.first_check IS 'Also of checks that were thinned out since.';

CREATE VIEW relay_uptime_daily AS
  SELECT r.url AS relay_url, date '1970-01-01' + d.day AS day, d.checks AS total_checks, d.opened AS successful_checks,
    round(100.0 * d.opened / nullif(d.checks, 0), 2) AS uptime_percentage, d.readable AS readable_checks,
    (d.open_ms / nullif(d.open_n, 0))::int4 AS rtt_open, (d.read_ms / nullif(d.read_n, 0))::int4 AS rtt_read
  FROM relay_day d JOIN relays r USING (relay_id);
COMMENT ON VIEW relay_uptime_daily IS 'The same day by day (UTC), for ever, with mean times in milliseconds.';

CREATE VIEW relay_health AS
  SELECT r.url AS relay_url, r.network,
    CASE WHEN m.last_check_at_ms = 0 THEN 'new' WHEN m.retired THEN 'retired' WHEN m.failures > 0 THEN 'failing'
      WHEN m.unconfirmed THEN 'suspected' ELSE 'healthy' END AS state,
    m.openable, m.readable, m.writable, m.failures AS failures_in_row,
    to_timestamp(nullif(m.last_ok_at_ms, 0) / 1000.0) AS last_success, to_timestamp(nullif(m.last_fail_at_ms, 0) / 1000.0) AS last_failure,
    to_timestamp(nullif(m.failing_since_ms, 0) / 1000.0) AS failing_since, m.error, to_timestamp(nullif(m.next_at_ms, 0) / 1000.0) AS next_check,
    CASE WHEN m.failures = 0 THEN 'closed' WHEN m.next_at_ms > extract(epoch FROM now()) * 1000 THEN 'open'
      ELSE 'half-open' END AS circuit,
    m.rtt_read, m.rtt_p95
  FROM relay_monitor m JOIN relays r USING (relay_id);
COMMENT ON VIEW relay_health IS 'How each relay does now, and when it is looked at again.';
COMMENT ON COLUMN relay_health.state IS 'new, healthy, suspected (a failure that waits for its second check), failing, retired (dead for 30 days: checked weekly).';
COMMENT ON COLUMN relay_health.circuit IS 'closed: it is used. open: it failed and is left alone until next_check. half-open: it is tried.';
COMMENT ON COLUMN relay_health.rtt_p95 IS 'Milliseconds within which 95 of 100 answers came; time-outs follow it.';

-- A day with at least 2 checks against the days before it, of which there must be 10 checks.
CREATE VIEW relay_degraded AS
  SELECT r.url AS relay_url, r.network, array_remove(ARRAY[
      CASE WHEN x.up_1d < x.up_30d - 20 THEN 'uptime' END,
      CASE WHEN x.open_1d > 2 * x.open_30d + 100 THEN 'rtt_open' END,
      CASE WHEN x.read_1d > 2 * x.read_30d + 100 THEN 'rtt_read' END], NULL) AS reasons,
    x.up_1d AS uptime_percentage_1d, x.up_30d AS uptime_percentage_before, x.open_1d AS rtt_open_1d, x.open_30d AS rtt_open_before,
    x.read_1d AS rtt_read_1d, x.read_30d AS rtt_read_before
  FROM (SELECT w.relay_id, w.checks_1d, w.checks_30d,
      round(100.0 * w.opened_1d / nullif(w.checks_1d, 0), 2) AS up_1d,
      round(100.0 * (w.opened_30d - w.opened_1d) / nullif(w.checks_30d - w.checks_1d, 0), 2) AS up_30d,
      (w.open_ms_1d / nullif(w.open_n_1d, 0))::int4 AS open_1d,
      ((w.open_ms_30d - w.open_ms_1d) / nullif(w.open_n_30d - w.open_n_1d, 0))::int4 AS open_30d,
      (w.read_ms_1d / nullif(w.read_n_1d, 0))::int4 AS read_1d,
      ((w.read_ms_30d - w.read_ms_1d) / nullif(w.read_n_30d - w.read_n_1d, 0))::int4 AS read_30d
    FROM relay_window w OFFSET 0) x
  JOIN relays r USING (relay_id)
  WHERE x.checks_1d >= 2 AND x.checks_30d - x.checks_1d >= 10
    AND (x.up_1d < x.up_30d - 20 OR x.open_1d > 2 * x.open_30d + 100 OR x.read_1d > 2 * x.read_30d + 100);
COMMENT ON VIEW relay_degraded IS 'Relays that do worse in the last 24 hours than in the 30 days before: uptime down by more than 20 points, or mean times more than doubled (and by 100 ms). Needs 2 checks of the day and 10 before.';

CREATE VIEW relay_software AS
  SELECT n.software, n.version, count(*) AS relays, count(*) FILTER (WHERE m.readable) AS readable_relays
  FROM relay_monitor m JOIN nip11 n ON n.id = m.nip11_id
  GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2;
COMMENT ON VIEW relay_software IS 'What software relays say they run, by the document that was read last from each.';

-- The numbers are those of probe.h: what was measured, and of how many.
CREATE VIEW supported_nips AS
  SELECT coalesce(c.nip, t.nip) AS nip, coalesce(c.relays, 0) AS relays, coalesce(c.readable_relays, 0) AS readable_relays,
    t.measured, t.tested
  FROM (SELECT x.nip, count(*) AS relays, count(*) FILTER (WHERE m.readable) AS readable_relays
      FROM relay_monitor m JOIN nip11 n ON n.id = m.nip11_id CROSS JOIN LATERAL unnest(n.nips) x(nip) GROUP BY 1) c
  FULL JOIN (SELECT b.nip, count(*) FILTER (WHERE m.caps & b.bit <> 0) AS measured, count(*) AS tested
      FROM relay_monitor m JOIN (VALUES (42, 1), (45, 2), (50, 4), (67, 8), (70, 16), (77, 32)) b(nip, bit) ON m.caps_known & b.bit <> 0
      GROUP BY 1) t ON t.nip = c.nip
  ORDER BY 2 DESC, 1;
COMMENT ON VIEW supported_nips IS 'How many relays claim each NIP (by the document that was read last), and for some in how many of those tested it was measured.';

CREATE VIEW network_stats AS
  SELECT r.network, count(*) AS relays, count(m.openable) AS checked, count(*) FILTER (WHERE m.openable) AS openable,
    count(*) FILTER (WHERE m.readable) AS readable, count(*) FILTER (WHERE m.writable) AS writable,
    count(*) FILTER (WHERE m.failures > 0 AND NOT m.retired) AS failing, count(*) FILTER (WHERE m.retired) AS retired,
    count(m.nip11_id) AS with_nip11,
    (percentile_cont(0.5) WITHIN GROUP (ORDER BY m.rtt_read) FILTER (WHERE m.readable))::int4 AS median_rtt_read
  FROM relays r LEFT JOIN relay_monitor m USING (relay_id) GROUP BY 1 ORDER BY 2 DESC, 1;
COMMENT ON VIEW network_stats IS 'The state of each network by the newest checks that count.';
