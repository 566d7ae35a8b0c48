-- Fair shares by the network that a name leads to as well, variants of one relay that become one, days that become months.

-- Accounts: rows by author, by domain, by network, and in all ------------------------------------------------------------------------

-- Kept right by triggers (a relay is on nobody's account), but for new rows, of which candidates_fold() adds many at a time.
CREATE FUNCTION candidate_account(c candidate, n int4) RETURNS void LANGUAGE sql AS $$
  INSERT INTO candidate_share AS s (what, key, rows)
    SELECT k.what, k.key, greatest(n, 0) FROM (VALUES ('all', ''::bytea), ('author', c.author), ('domain', convert_to(c.domain, 'UTF8')),
      ('net', convert_to(c.net, 'UTF8'))) k(what, key) WHERE k.what = 'all' OR k.key <> ''
    ON CONFLICT (what, key) DO UPDATE SET rows = greatest(s.rows + n, 0) $$;
CREATE FUNCTION candidate_account_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF old.state <> 'promoted' THEN
    PERFORM candidate_account(old, -1);
  END IF;
  IF tg_op = 'UPDATE' AND new.state <> 'promoted' THEN
    PERFORM candidate_account(new, 1);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER candidate_deleted AFTER DELETE ON candidate FOR EACH ROW EXECUTE FUNCTION candidate_account_changed();
CREATE TRIGGER candidate_changed AFTER UPDATE OF state, net ON candidate FOR EACH ROW
  WHEN ((old.state = 'promoted') <> (new.state = 'promoted') OR old.net <> new.net) EXECUTE FUNCTION candidate_account_changed();

-- Variants ---------------------------------------------------------------------------------------------------------------------------

-- One relay under two URLs: what was counted of the first belongs to the second, and the first is gone.
CREATE FUNCTION candidate_merge(p_from int4, p_to int4) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO candidate_mention AS m (candidate_id, source, day, mentions, authors)
    SELECT p_to, f.source, f.day, f.mentions, f.authors FROM candidate_mention f WHERE f.candidate_id = p_from
    ON CONFLICT (candidate_id, day, source) DO UPDATE SET mentions = m.mentions + excluded.mentions,
      authors = authors_join(m.authors, excluded.authors, 8);
  UPDATE candidate t SET mentions = t.mentions + f.mentions, authors = authors_join(t.authors, f.authors, 32),
      weight = greatest(t.weight, f.weight), first_seen = least(t.first_seen, f.first_seen), last_seen = greatest(t.last_seen, f.last_seen),
      first_source = CASE WHEN f.first_seen < t.first_seen THEN f.first_source ELSE t.first_source END,
      first_event = CASE WHEN f.first_seen < t.first_seen THEN f.first_event ELSE t.first_event END,
      first_relay = CASE WHEN f.first_seen < t.first_seen THEN f.first_relay ELSE t.first_relay END,
      relays = ARRAY(SELECT DISTINCT r FROM unnest(t.relays || f.relays) r LIMIT 32)
    FROM candidate f WHERE t.candidate_id = p_to AND f.candidate_id = p_from;
  DELETE FROM candidate WHERE candidate_id = p_from;
END $$;
COMMENT ON FUNCTION candidate_merge IS 'Makes one candidate of two that are the same relay: the second stays.';

-- Counting ---------------------------------------------------------------------------------------------------------------------------

-- Counts what was committed.  A URL that is not known yet gets a row when one of its authors and its domain have fewer than p_share
-- rows, and all together fewer than p_rows; mentions of relays are always counted.  What is mentioned as ws:// and is a relay as wss://
-- is counted there.
CREATE FUNCTION candidates_fold(p_most int4, p_share int4, p_rows int4, OUT n int8, OUT mentions int8) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  room int4;
BEGIN
  IF NOT EXISTS (SELECT FROM mention_new) THEN
    n := 0;
    mentions := 0;
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(7, -6);
  room := p_rows - coalesce((SELECT s.rows FROM candidate_share s WHERE s.what = 'all' AND s.key = ''), 0);
  WITH gone AS (
    DELETE FROM mention_new WHERE ctid = ANY (ARRAY(SELECT ctid FROM mention_new LIMIT p_most)) RETURNING *),
  taken AS MATERIALIZED (
    SELECT CASE WHEN r.url IS NOT NULL AND o.url IS NULL THEN r.url ELSE g.url END AS url, g.network, g.domain, g.source, g.weight,
      g.day, g.mentions, g.authors, g.event_id, g.relay_id, g.seen_at
    FROM gone g LEFT JOIN relays r ON g.url LIKE 'ws://%' AND r.url = 'wss' || substring(g.url FROM 3)
    LEFT JOIN relays o ON o.url = g.url),
  key_of AS MATERIALIZED (
    SELECT DISTINCT t.url, t.source, t.day, substring(t.authors FROM i * 8 + 1 FOR 8) AS key
    FROM taken t CROSS JOIN LATERAL generate_series(0, octet_length(t.authors) / 8 - 1) i),
  url_key AS MATERIALIZED (SELECT DISTINCT url, key FROM key_of),
  url_authors AS (
    SELECT url, string_agg(key, ''::bytea ORDER BY key) AS authors
    FROM (SELECT url, key, row_number() OVER (PARTITION BY url ORDER BY key) AS i FROM url_key) x WHERE i <= 32 GROUP BY url),
  day_authors AS (
    SELECT url, source, day, string_agg(key, ''::bytea ORDER BY key) AS authors
    FROM (SELECT *, row_number() OVER (PARTITION BY url, source, day ORDER BY key) AS i FROM key_of) x WHERE i <= 8 GROUP BY 1, 2, 3),
  by_day AS (SELECT url, source, day, sum(mentions) AS mentions FROM taken GROUP BY 1, 2, 3),
  by_url AS MATERIALIZED (
    SELECT t.url, min(t.network) AS network, min(t.domain) AS domain, sum(t.mentions) AS mentions, max(t.weight) AS weight,
      min(t.seen_at) AS first_seen, max(t.seen_at) AS last_seen,
      (array_agg(t.source ORDER BY t.seen_at, t.weight DESC))[1] AS first_source,
      (array_agg(t.event_id ORDER BY t.seen_at, t.weight DESC))[1] AS first_event,
      (array_agg(t.relay_id ORDER BY t.seen_at, t.weight DESC))[1] AS first_relay,
      coalesce((array_agg(DISTINCT t.relay_id) FILTER (WHERE t.relay_id IS NOT NULL))[1:32], '{}') AS relays
    FROM taken t GROUP BY t.url),
  known AS MATERIALIZED (SELECT c.candidate_id, c.url FROM by_url u JOIN candidate c USING (url)),
  fresh AS MATERIALIZED (
    SELECT u.url, u.domain, EXISTS (SELECT FROM relays r WHERE r.url = u.url) AS is_relay
    FROM by_url u WHERE NOT EXISTS (SELECT FROM known k WHERE k.url = u.url)),
  offered AS (
    SELECT f.url, f.domain, coalesce(k.key, '') AS author,
      row_number() OVER (PARTITION BY k.key ORDER BY f.url) + coalesce(s.rows, 0) AS nth
    FROM fresh f LEFT JOIN url_key k USING (url) LEFT JOIN candidate_share s ON s.what = 'author' AND s.key = k.key
    WHERE NOT f.is_relay),
  charged AS (
    SELECT DISTINCT ON (url) url, domain, author FROM offered WHERE author = '' OR nth <= p_share ORDER BY url, nth),
  counted AS (
    SELECT c.*, row_number() OVER (PARTITION BY c.domain ORDER BY c.url) + coalesce(s.rows, 0) AS nth,
      row_number() OVER (ORDER BY c.url) AS i
    FROM charged c LEFT JOIN candidate_share s ON s.what = 'domain' AND s.key = convert_to(c.domain, 'UTF8')),
  accepted AS MATERIALIZED (
    SELECT url, domain, author, 'new' AS state FROM counted WHERE nth <= p_share AND i <= room
    UNION ALL SELECT url, domain, '', 'promoted' FROM fresh WHERE is_relay),
  added AS (
    INSERT INTO candidate (url, network, state, mentions, authors, weight, first_seen, last_seen, first_source, first_event,
      first_relay, domain, author, relays)
    SELECT u.url, u.network, a.state, u.mentions, coalesce(x.authors, ''), u.weight, u.first_seen, u.last_seen, u.first_source,
      u.first_event, u.first_relay, a.domain, a.author, u.relays
    FROM accepted a JOIN by_url u USING (url) LEFT JOIN url_authors x USING (url) RETURNING candidate_id, url),
  updated AS (
    UPDATE candidate c SET mentions = c.mentions + u.mentions, weight = greatest(c.weight, u.weight),
      authors = authors_join(c.authors, coalesce(x.authors, ''), 32), first_seen = least(c.first_seen, u.first_seen),
      last_seen = greatest(c.last_seen, u.last_seen),
      relays = CASE WHEN c.relays @> u.relays OR cardinality(c.relays) >= 32 THEN c.relays
        ELSE ARRAY(SELECT DISTINCT r FROM unnest(c.relays || u.relays) r LIMIT 32) END
    FROM by_url u LEFT JOIN url_authors x USING (url) WHERE c.url = u.url),
  mentioned AS (
    INSERT INTO candidate_mention AS m (candidate_id, source, day, mentions, authors)
    SELECT k.candidate_id, d.source, d.day, d.mentions, coalesce(x.authors, '')
    FROM by_day d JOIN (SELECT * FROM known UNION ALL SELECT * FROM added) k USING (url) LEFT JOIN day_authors x USING (url, source, day)
    ON CONFLICT (candidate_id, day, source) DO UPDATE SET mentions = m.mentions + excluded.mentions,
      authors = authors_join(m.authors, excluded.authors, 8)),
  accounted AS (
    INSERT INTO candidate_share AS s (what, key, rows, refused)
    SELECT 'author', author, count(*), 0 FROM accepted WHERE state = 'new' AND author <> '' GROUP BY author
    UNION ALL SELECT 'domain', convert_to(domain, 'UTF8'), count(*), 0 FROM accepted WHERE state = 'new' GROUP BY domain
    UNION ALL SELECT 'all', '', (SELECT count(*) FROM accepted WHERE state = 'new'),
      (SELECT count(*) FROM fresh) - (SELECT count(*) FROM accepted)
    ON CONFLICT (what, key) DO UPDATE SET rows = s.rows + excluded.rows, refused = s.refused + excluded.refused)
  SELECT count(*), coalesce(sum(t.mentions), 0)::int8 INTO n, mentions FROM taken t;
END $$;
COMMENT ON FUNCTION candidates_fold IS 'Counts at most so many rows of mention_new; returns how many there were, and the mentions in them.';

-- Probing ----------------------------------------------------------------------------------------------------------------------------

-- Who is probed next: at most p_most of those that are due, for the finder to rank.  Everybody in turn: the first of each author, each
-- domain and each network, then the second, .., so that whoever mentions thousands stands in the way of his own only.  p_turns: how many of one author, domain or network an hour has probes for: whoever stands
-- behind that is not due before p_later, so that a long queue is not looked through again and again.
CREATE FUNCTION candidates_take(p_networks text[], p_now_ms int8, p_lease_ms int8, p_most int4, p_turns int4, p_later_ms int8)
RETURNS SETOF candidate LANGUAGE plpgsql AS $$
DECLARE
  m record;
BEGIN
  PERFORM pg_advisory_xact_lock(7, -6);
  -- Who became a relay in another way, or is one under the other scheme.
  UPDATE candidate c SET state = 'promoted' FROM relays r
    WHERE r.url = c.url AND c.state IN ('new', 'failed', 'probing', 'dropped') AND c.next_at_ms <= p_now_ms;
  FOR m IN SELECT c.candidate_id, c.url, r.url AS wss, r.network FROM candidate c JOIN relays r
      ON c.url LIKE 'ws://%' AND r.url = 'wss' || substring(c.url FROM 3)
      WHERE c.state IN ('new', 'failed', 'probing') AND c.next_at_ms <= p_now_ms LIMIT p_most LOOP
    PERFORM candidate_rename(m.candidate_id, m.wss, m.network);
    UPDATE candidate SET state = 'promoted' WHERE url = m.wss;
  END LOOP;
  RETURN QUERY
    WITH due AS MATERIALIZED (
      SELECT c.candidate_id, octet_length(c.authors) AS authors, c.weight, c.first_seen,
        greatest(CASE WHEN c.author <> '' THEN row_number() OVER (PARTITION BY c.author ORDER BY c.tries, c.weight DESC, c.first_seen) END,
          CASE WHEN c.net <> '' THEN row_number() OVER (PARTITION BY c.net ORDER BY c.tries, c.weight DESC, c.first_seen) END,
          row_number() OVER (PARTITION BY c.domain ORDER BY c.tries, c.weight DESC, c.first_seen)) AS turn
      FROM candidate c
      WHERE c.state IN ('new', 'failed', 'probing', 'dropped') AND c.next_at_ms <= p_now_ms AND c.network = ANY (p_networks)
        AND (c.state <> 'dropped' OR c.last_seen * 1000 > c.probed_at_ms)),
    later AS (
      UPDATE candidate c SET next_at_ms = p_later_ms, state = CASE WHEN c.state = 'probing' THEN 'failed' ELSE c.state END
      FROM (SELECT d.candidate_id FROM due d WHERE d.turn > p_turns LIMIT 5000) d WHERE c.candidate_id = d.candidate_id),
    best AS (
      SELECT d.candidate_id FROM due d WHERE d.turn <= p_turns ORDER BY d.turn, d.authors DESC, d.weight DESC, d.first_seen LIMIT p_most)
    UPDATE candidate c SET state = 'probing', next_at_ms = p_now_ms + p_lease_ms FROM best b
      WHERE c.candidate_id = b.candidate_id RETURNING c.*;
END $$;
COMMENT ON FUNCTION candidates_take IS 'Candidates to be probed now. Each is due again after the lease, when nothing was said of it by then.';

-- The same candidate under another URL; where that is one already, they are merged.  Returns which it is now.
CREATE FUNCTION candidate_rename(p_id int4, p_url text, p_network text) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
  known int4 := (SELECT candidate_id FROM candidate WHERE url = p_url);
BEGIN
  IF known IS NULL THEN
    UPDATE candidate SET url = p_url, network = p_network WHERE candidate_id = p_id;
    RETURN p_id;
  END IF;
  IF known <> p_id THEN
    PERFORM candidate_merge(p_id, known);
  END IF;
  RETURN known;
END $$;

-- What came of probes.  A relay is made in the same transaction; where it answered under another URL (wss instead of ws) the candidate
-- has that URL from now on.  Of ws and wss of one relay one is left: wss where it answers; else ws, and wss is looked at again after
-- p_forgive_ms when somebody has mentioned it since.  Who turns out to be one too many of a network goes.
CREATE FUNCTION candidates_save(p_ids int4[], p_states text[], p_tries int4[], p_next int8[], p_probed int8[], p_errors text[],
  p_nets text[], p_urls text[], p_networks text[], p_share int4, p_forgive_ms int8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  m record;
BEGIN
  PERFORM pg_advisory_xact_lock(7, -6);
  FOR i IN 1 .. coalesce(cardinality(p_ids), 0) LOOP
    IF p_urls[i] IS NOT NULL THEN
      p_ids[i] := candidate_rename(p_ids[i], p_urls[i], p_networks[i]);
    END IF;
  END LOOP;
  WITH u AS (
    SELECT * FROM unnest(p_ids, p_states, p_tries, p_next, p_probed, p_errors, p_nets) u(id, state, tries, next, probed, error, net)),
  saved AS (
    UPDATE candidate c SET state = u.state, tries = u.tries, next_at_ms = u.next, probed_at_ms = greatest(c.probed_at_ms, u.probed),
      error = CASE WHEN u.probed > 0 OR u.error <> '' OR u.state = 'promoted' THEN u.error ELSE c.error END,
      net = CASE WHEN u.net <> '' THEN u.net ELSE c.net END
    FROM u WHERE c.candidate_id = u.id RETURNING c.state, c.url, c.network)
  INSERT INTO relays (url, network) SELECT s.url, s.network FROM saved s WHERE s.state = 'promoted' ORDER BY s.url ON CONFLICT DO NOTHING;
  FOR m IN SELECT c.candidate_id, c.url, t.candidate_id AS twin, u.probed FROM unnest(p_ids, p_states, p_probed) u(id, state, probed)
      JOIN candidate c ON c.candidate_id = u.id
      JOIN candidate t ON t.url = CASE WHEN c.url LIKE 'wss://%' THEN 'ws' || substring(c.url FROM 4) ELSE 'wss' || substring(c.url FROM 3) END
      WHERE u.state = 'promoted' AND NOT EXISTS (SELECT FROM relays r WHERE r.url = t.url) LOOP
    IF m.url LIKE 'wss://%' THEN
      PERFORM candidate_merge(m.twin, m.candidate_id);
    ELSE
      UPDATE candidate SET state = 'dropped', error = 'merged', probed_at_ms = m.probed, next_at_ms = p_forgive_ms
        WHERE candidate_id = m.twin AND state IN ('new', 'failed');
    END IF;
  END LOOP;
  UPDATE candidate c SET state = 'dropped', error = 'merged', next_at_ms = p_forgive_ms
    FROM relays r WHERE c.candidate_id = ANY (p_ids) AND c.state = 'failed' AND c.probed_at_ms > 0 AND c.url LIKE 'wss://%'
      AND r.url = 'ws' || substring(c.url FROM 4);
  WITH gone AS (
    DELETE FROM candidate WHERE candidate_id IN (
      SELECT x.candidate_id FROM (
        SELECT c.candidate_id, c.net, row_number() OVER (PARTITION BY c.net ORDER BY c.candidate_id DESC) AS nth
        FROM candidate c WHERE c.candidate_id = ANY (p_ids) AND c.net <> '' AND c.state NOT IN ('promoted', 'denied')) x
      JOIN candidate_share s ON s.what = 'net' AND s.key = convert_to(x.net, 'UTF8') WHERE x.nth <= s.rows - p_share) RETURNING 1)
  UPDATE candidate_share SET refused = refused + (SELECT count(*) FROM gone) WHERE what = 'all' AND EXISTS (SELECT FROM gone);
END $$;

-- Tidying ----------------------------------------------------------------------------------------------------------------------------

-- What is remembered makes room for what is new: what a person denies and would again, what was dropped, then what failed, then what few have mentioned.
CREATE FUNCTION candidates_tidy(p_rows int4, p_most int4) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  n int8;
BEGIN
  PERFORM pg_advisory_xact_lock(7, -6);
  DELETE FROM candidate_share WHERE rows = 0 AND what <> 'all';
  IF coalesce((SELECT s.rows FROM candidate_share s WHERE s.what = 'all' AND s.key = ''), 0) < p_rows - p_rows / 20 THEN
    RETURN 0;
  END IF;
  DELETE FROM candidate WHERE candidate_id IN (SELECT c.candidate_id FROM candidate c
    WHERE c.state IN ('denied', 'dropped', 'failed', 'new')
    ORDER BY c.state <> 'denied', c.state <> 'dropped', c.state <> 'failed', octet_length(c.authors), c.last_seen LIMIT p_most);
  GET DIAGNOSTICS n = ROW_COUNT;
  RETURN n;
END $$;
COMMENT ON FUNCTION candidates_tidy IS 'When less than a twentieth of p_rows is free, forgets p_most candidates; returns how many.';

CREATE FUNCTION month_of(p_day int4) RETURNS int4 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT date_trunc('month', (date '1970-01-01' + p_day)::timestamp)::date - date '1970-01-01' $$;
COMMENT ON FUNCTION month_of IS 'The first day of the month of a day; both are days since 1970-01-01.';
CREATE INDEX candidate_mention_daily ON candidate_mention (day) WHERE day <> month_of(day);
COMMENT ON TABLE candidate_mention IS 'How often a candidate was mentioned, by source and day (days since 1970-01-01, UTC; the day on which it was archived). After two months a row stands for a month, on the first of it.';
COMMENT ON VIEW relay_provenance IS 'In which ways each URL was mentioned, relays as well as candidates. Days begin at midnight UTC; after two months only the month is known, as its first day.';

CREATE FUNCTION candidates_compact(p_before int4, p_most int4) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  n int8;
BEGIN
  PERFORM pg_advisory_xact_lock(7, -6);
  WITH gone AS (
    DELETE FROM candidate_mention WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM candidate_mention WHERE day < p_before AND day <> month_of(day) LIMIT p_most)) RETURNING *),
  months AS (
    INSERT INTO candidate_mention AS m (candidate_id, source, day, mentions, authors)
    SELECT candidate_id, source, month_of(day), sum(mentions), authors_join('', string_agg(authors, ''::bytea ORDER BY day), 8)
    FROM gone GROUP BY 1, 2, 3
    ON CONFLICT (candidate_id, day, source) DO UPDATE SET mentions = m.mentions + excluded.mentions,
      authors = authors_join(m.authors, excluded.authors, 8))
  SELECT count(*) INTO n FROM gone;
  RETURN n;
END $$;
COMMENT ON FUNCTION candidates_compact IS 'Makes months of at most p_most days of mentions before p_before; returns how many there were.';
