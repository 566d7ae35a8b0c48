-- bigbrotr discover --from-archive: what the archive mentions, read once more by the rules of today, beside what was counted when it
-- came.  Nothing is counted twice: in the end each count is raised to what was found, and never by what is counted already.

CREATE TABLE mention_found (
  url text NOT NULL,
  source text NOT NULL,
  network text NOT NULL,
  domain text NOT NULL,
  weight int4 NOT NULL,
  mentions int8 NOT NULL,
  authors bytea NOT NULL,
  event_id bytea,
  relay_id int4,
  PRIMARY KEY (url, source)
);
COMMENT ON TABLE mention_found IS 'What bigbrotr discover has found so far; empty when it is through. How far it is stands in service_state.';

-- Begins, or goes on where a run by the same rules was ended.  Whoever begins last has it: his token is asked for at every step.
CREATE FUNCTION discover_begin(p_rules int4, p_token text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  s jsonb;
BEGIN
  PERFORM pg_advisory_xact_lock(7, -7);
  s := (SELECT value FROM service_state WHERE service = 'discover' AND name = 'archive');
  IF s IS NULL OR (s->>'rules')::int4 <> p_rules OR s->>'part' = 'done' THEN
    DELETE FROM mention_found;
    s := jsonb_build_object('rules', p_rules, 'part', 'events', 'at', '0', 'events', 0, 'documents', 0, 'mentions', 0, 'urls', 0);
  END IF;
  s := s || jsonb_build_object('token', p_token);
  INSERT INTO service_state AS t (service, name, value) VALUES ('discover', 'archive', s)
    ON CONFLICT (service, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at;
  RETURN s;
END $$;

CREATE FUNCTION discover_step(p_token text, p_change jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  s jsonb;
BEGIN
  UPDATE service_state SET value = value || p_change, updated_at = extract(epoch FROM now())::int8
    WHERE service = 'discover' AND name = 'archive' AND value->>'token' = p_token RETURNING value INTO s;
  IF s IS NULL THEN
    RAISE EXCEPTION 'another bigbrotr discover has gone on where this one was';
  END IF;
  RETURN s;
END $$;

-- What one window of the archive mentions, with how far that is.
CREATE FUNCTION discover_add(p_token text, p_change jsonb, p_url text[], p_network text[], p_domain text[], p_source text[],
  p_weight int4[], p_mentions int4[], p_authors bytea[], p_event bytea[], p_relay int4[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM discover_step(p_token, p_change);
  INSERT INTO mention_found AS f (url, source, network, domain, weight, mentions, authors, event_id, relay_id)
    SELECT u.url, u.source, u.network, u.domain, u.weight, u.mentions, u.authors, u.event, u.relay
    FROM unnest(p_url, p_network, p_domain, p_source, p_weight, p_mentions, p_authors, p_event, p_relay)
      u(url, network, domain, source, weight, mentions, authors, event, relay) ORDER BY 1, 2
    ON CONFLICT (url, source) DO UPDATE SET mentions = f.mentions + excluded.mentions,
      authors = authors_join(f.authors, excluded.authors, 8);
END $$;

-- Counts at most so many rows, and takes them away: what is found beyond what is counted, or waits for it.  With mention_new locked
-- against candidates_fold() and candidates_save(), so that nothing moves from one place to the other meanwhile.
CREATE FUNCTION discover_count(p_token text, p_most int4) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  rows int8;
  raised int8;
  fresh int8;
BEGIN
  PERFORM pg_advisory_xact_lock(7, -6);
  -- Under the name that counts, as candidates_fold() does it.
  WITH moved AS (
    DELETE FROM mention_found f USING relays r WHERE f.url LIKE 'ws://%' AND r.url = 'wss' || substring(f.url FROM 3)
      AND NOT EXISTS (SELECT FROM relays o WHERE o.url = f.url) RETURNING r.url AS to_url, f.*)
  INSERT INTO mention_found AS f (url, source, network, domain, weight, mentions, authors, event_id, relay_id)
    SELECT to_url, source, network, domain, weight, mentions, authors, event_id, relay_id FROM moved
    ON CONFLICT (url, source) DO UPDATE SET mentions = f.mentions + excluded.mentions,
      authors = authors_join(f.authors, excluded.authors, 8);
  WITH gone AS (
    DELETE FROM mention_found WHERE ctid = ANY (ARRAY(SELECT ctid FROM mention_found LIMIT p_most)) RETURNING *),
  waiting AS (
    SELECT n.url, n.source, sum(n.mentions) AS mentions FROM mention_new n JOIN gone g USING (url, source) GROUP BY 1, 2),
  missing AS MATERIALIZED (
    SELECT g.*, c.candidate_id, g.mentions - coalesce(w.mentions, 0) - coalesce((SELECT sum(m.mentions) FROM candidate_mention m
      WHERE m.candidate_id = c.candidate_id AND m.source = g.source), 0) AS more
    FROM gone g LEFT JOIN waiting w USING (url, source) LEFT JOIN candidate c ON c.url = g.url),
  added AS (
    INSERT INTO mention_new (url, network, domain, source, weight, day, mentions, authors, event_id, relay_id)
    SELECT url, network, domain, source, weight, (extract(epoch FROM now())::int8 / 86400)::int4, least(more, 2147483647), authors,
      event_id, relay_id FROM missing WHERE more > 0)
  SELECT (SELECT count(*) FROM gone), coalesce(sum(m.more) FILTER (WHERE m.more > 0), 0),
    count(DISTINCT m.url) FILTER (WHERE m.more > 0 AND m.candidate_id IS NULL) INTO rows, raised, fresh FROM missing m;
  RETURN (SELECT discover_step(p_token, jsonb_build_object('part', CASE WHEN rows > 0 THEN 'count' ELSE 'done' END,
    'mentions', (s.value->>'mentions')::int8 + raised, 'urls', (s.value->>'urls')::int8 + fresh))
    FROM service_state s WHERE s.service = 'discover' AND s.name = 'archive');
END $$;
COMMENT ON FUNCTION discover_count IS 'One step of bigbrotr discover: raises counts of mentions to what was found in the archive.';
