-- Functions: coverage arithmetic, the names that people use in queries, and upkeep.

-- Coverage ---------------------------------------------------------------------------------------------------------------------------
-- Of every second of created_at the archive knows one of three things: nothing, a proof (grade), or a gap (reason, tries).
--   A proof replaces a gap and a worse grade; where the grade is the same it renews proved_at; a better one stays.
--   A gap replaces nothing but a gap (a dense one a proof, too): then it counts as one more try, unless it is no younger than the last
--   (a repeated transaction).
--   Neighbours of the same grade, or of the same reason and tries, are one row.
-- hi of a gap may be 2^63-1 (open above): nothing here adds 1 to an upper end before it is known to be lower than another.

CREATE FUNCTION coverage_add(p_relay int4, p_filter int4, p_lo int8, p_hi int8, p_grade int2, p_at int8)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  g gap;
  c coverage;
  first_lo int8;
  piece_lo int8 := p_lo;
  piece_at int8 := p_at;
BEGIN
  FOR g IN DELETE FROM gap x WHERE x.relay_id = p_relay AND x.filter_id = p_filter AND x.lo <= p_hi AND x.hi >= p_lo RETURNING *
  LOOP
    IF g.lo < p_lo THEN
      INSERT INTO gap VALUES (p_relay, p_filter, g.lo, p_lo - 1, g.first_seen, g.tried_at, g.reason, g.tries);
    END IF;
    IF g.hi > p_hi THEN
      INSERT INTO gap VALUES (p_relay, p_filter, p_hi + 1, g.hi, g.first_seen, g.tried_at, g.reason, g.tries);
    END IF;
  END LOOP;

  -- The row that may reach into the span from below is the last one that begins before it: rows are disjoint.
  SELECT max(x.lo) INTO first_lo FROM coverage x WHERE x.relay_id = p_relay AND x.filter_id = p_filter AND x.lo < p_lo;
  FOR c IN SELECT * FROM coverage x WHERE x.relay_id = p_relay AND x.filter_id = p_filter
      AND x.lo >= coalesce(first_lo, p_lo) AND x.lo - 1 <= p_hi AND x.hi >= p_lo - 1 ORDER BY x.lo
  LOOP
    IF c.grade = p_grade THEN
      DELETE FROM coverage x WHERE x.relay_id = p_relay AND x.filter_id = p_filter AND x.lo = c.lo;
      piece_lo := least(piece_lo, c.lo);
      p_hi := greatest(p_hi, c.hi);
      piece_at := greatest(piece_at, c.proved_at);
    ELSIF c.lo > p_hi OR c.hi < p_lo THEN
      CONTINUE; -- a neighbour of another grade
    ELSIF c.grade < p_grade THEN
      IF piece_lo < c.lo THEN
        INSERT INTO coverage VALUES (p_relay, p_filter, piece_lo, c.lo - 1, piece_at, p_grade);
      END IF;
      IF c.hi >= p_hi THEN
        RETURN;
      END IF;
      piece_lo := c.hi + 1;
      piece_at := p_at;
    ELSE
      DELETE FROM coverage x WHERE x.relay_id = p_relay AND x.filter_id = p_filter AND x.lo = c.lo;
      IF c.lo < p_lo THEN
        INSERT INTO coverage VALUES (p_relay, p_filter, c.lo, p_lo - 1, c.proved_at, c.grade);
      END IF;
      IF c.hi > p_hi THEN
        INSERT INTO coverage VALUES (p_relay, p_filter, p_hi + 1, c.hi, c.proved_at, c.grade);
      END IF;
    END IF;
  END LOOP;
  INSERT INTO coverage VALUES (p_relay, p_filter, piece_lo, p_hi, piece_at, p_grade);
END $$;

-- One span in which no proof stands.
CREATE FUNCTION gap_put(p_relay int4, p_filter int4, p_lo int8, p_hi int8, p_reason int2, p_at int8)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first_lo int8;
  next_lo int8 := p_lo;   -- from here on the span has not been dealt with
  done boolean := false;
  g gap;
  tail gap;
  last gap;
  made gap[] := '{}';     -- what becomes of the rows that are touched, ordered
BEGIN
  SELECT max(x.lo) INTO first_lo FROM gap x WHERE x.relay_id = p_relay AND x.filter_id = p_filter AND x.lo < p_lo;
  FOR g IN SELECT * FROM gap x WHERE x.relay_id = p_relay AND x.filter_id = p_filter
      AND x.lo >= coalesce(first_lo, p_lo) AND x.lo - 1 <= p_hi AND x.hi >= p_lo - 1 ORDER BY x.lo
  LOOP
    DELETE FROM gap x WHERE x.relay_id = p_relay AND x.filter_id = p_filter AND x.lo = g.lo;
    IF g.lo < p_lo THEN
      made := made || ROW(p_relay, p_filter, g.lo, least(g.hi, p_lo - 1), g.first_seen, g.tried_at, g.reason, g.tries)::gap;
    END IF;
    IF g.lo <= p_hi AND g.hi >= p_lo THEN
      IF next_lo < g.lo THEN
        made := made || ROW(p_relay, p_filter, next_lo, g.lo - 1, p_at, p_at, p_reason, 0)::gap;
      END IF;
      made := made || ROW(p_relay, p_filter, greatest(g.lo, p_lo), least(g.hi, p_hi), g.first_seen, greatest(g.tried_at, p_at),
        p_reason, CASE WHEN p_at > g.tried_at AND g.tries < 32767 THEN g.tries + 1 ELSE g.tries END)::gap;
      IF g.hi >= p_hi THEN
        done := true;
      ELSE
        next_lo := g.hi + 1;
      END IF;
    END IF;
    IF g.hi > p_hi THEN
      tail := ROW(p_relay, p_filter, greatest(g.lo, p_hi + 1), g.hi, g.first_seen, g.tried_at, g.reason, g.tries)::gap;
    END IF;
  END LOOP;
  IF NOT done THEN
    made := made || ROW(p_relay, p_filter, next_lo, p_hi, p_at, p_at, p_reason, 0)::gap;
  END IF;
  IF tail.lo IS NOT NULL THEN
    made := made || tail;
  END IF;

  last := made[1];
  FOREACH g IN ARRAY made[2:] LOOP
    IF last.hi = g.lo - 1 AND last.reason = g.reason AND last.tries = g.tries THEN
      last.hi := g.hi;
      last.first_seen := least(last.first_seen, g.first_seen);
      last.tried_at := greatest(last.tried_at, g.tried_at);
    ELSE
      INSERT INTO gap SELECT last.*;
      last := g;
    END IF;
  END LOOP;
  INSERT INTO gap SELECT last.*;
END $$;

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

CREATE FUNCTION gap_add(p_relay int4, p_filter int4, p_lo int8, p_hi int8, p_reason int2, p_at int8)
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
COMMENT ON FUNCTION coverage_add IS 'Adds one proof: replaces gaps and worse grades, keeps better ones, merges neighbours of the same grade.';
COMMENT ON FUNCTION coverage_cut IS 'Takes every proof out of a span.';
COMMENT ON FUNCTION gap_add IS 'Adds one gap: over a gap it counts one more try; over a proof it stands only if it is dense.';

-- What the daemon asks ----------------------------------------------------------------------------------------------------------------
-- As functions, since a session keeps their plans (through PgBouncer too): to plan anew over all partitions costs more than to answer
-- for a hundred events.  Such a plan must hold for any numbers, whatever the tables looked like when it was made: so the LATERAL
-- (.. OFFSET 0) are probed by index, one for each row, and what is compared with many is hashed.  The bounds are said by themselves,
-- so that partitions outside are not even opened.  What is switched off makes any plan look expensive enough to be compiled (jit), which
-- takes a hundred times as long as to run it.

-- Numbers, from 1, of those of these events, from the second `lo` to `hi`, that are not there.
CREATE FUNCTION events_missing(ids bytea[], ats int8[], lo int8, hi int8) RETURNS int4[] LANGUAGE plpgsql STABLE STRICT
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
BEGIN
  RETURN (SELECT array_agg(u.i::int4) FROM unnest(ids, ats) WITH ORDINALITY u(id, t, i) LEFT JOIN LATERAL
    (SELECT true AS hit FROM event e WHERE encode(e.id, 'hex') = encode(u.id, 'hex') AND e.created_at = u.t
      AND e.created_at BETWEEN $3 AND $4 OFFSET 0) e ON true
    WHERE e.hit IS NULL);
END $$;

-- Sightings come in groups, one for each relay and bucket (of those from `first` to `last`), whose keys are of the seconds from lo to
-- hi.  Numbers, from 1, of those
-- keys (each of the group that stands beside it) that are known.  The caller holds the locks of the relays.
CREATE FUNCTION sightings_known(relays int4[], buckets int4[], los int4[], his int4[], groups int4[], keys int8[], first int4, last int4)
RETURNS int4[] LANGUAGE plpgsql STABLE STRICT
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET jit = off AS $$
BEGIN
  RETURN (SELECT array_agg(u.i::int4) FROM unnest($5, $6) WITH ORDINALITY u(g, key, i) WHERE EXISTS (
    SELECT FROM (SELECT g.i, unnest(x.keys) AS key
      FROM unnest($1, $2, $3, $4) WITH ORDINALITY g(relay_id, bucket, lo, hi, i) CROSS JOIN LATERAL (
        SELECT s.keys FROM sighting s WHERE s.relay_id = g.relay_id AND s.bucket = g.bucket AND s.tmax >= g.lo AND s.tmin <= g.hi
          AND s.bucket BETWEEN $7 AND $8 OFFSET 0) x) k
    WHERE k.i = u.g AND k.key = u.key));
END $$;

-- Names for people -------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION tag(name text, value text) RETURNS int8[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT ARRAY[('x' || encode(substring(sha256(convert_to(name, 'UTF8') || '\x00'::bytea || convert_to(value, 'UTF8'))
    FROM 1 FOR 8), 'hex'))::bit(64)::int8] $$;
COMMENT ON FUNCTION tag IS 'What taghash holds for a tag: WHERE taghash @> tag(''e'', ''5c83..'') uses the index.';

-- hrp and data of a bech32 string (BIP-173, without its limit of 90 characters, as NIP-19 wants), checksum verified.
CREATE FUNCTION bech32_decode(code text, OUT hrp text, OUT data bytea) LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  charset constant text := 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
  gen constant int8[] := ARRAY[x'3b6a57b2'::int8, x'26508e6d'::int8, x'1ea119fa'::int8, x'3d4233dd'::int8, x'2a1462b3'::int8];
  s constant text := lower(code);
  sep constant int := length(code) - coalesce(nullif(position('1' IN reverse(code)), 0), length(code) + 1) + 1;
  chk int8 := 1;
  top int8;
  v int;
  acc int8 := 0;
  bits int := 0;
  hex text := '';
BEGIN
  IF length(code) > 5000 OR sep < 2 OR length(code) - sep < 6 OR code NOT IN (s, upper(code)) THEN
    RAISE EXCEPTION 'not a bech32 string: %', left(code, 100) USING ERRCODE = 'invalid_parameter_value';
  END IF;
  hrp := left(s, sep - 1);
  FOR i IN 1 .. 2 * sep - 1 + length(s) - sep LOOP
    IF i < sep THEN
      v := ascii(substr(s, i, 1)) >> 5;
    ELSIF i = sep THEN
      v := 0;
    ELSIF i < 2 * sep THEN
      v := ascii(substr(s, i - sep, 1)) & 31;
    ELSE
      v := position(substr(s, i - sep + 1, 1) IN charset) - 1;
      IF v < 0 THEN
        RAISE EXCEPTION 'not a bech32 string: %', left(code, 100) USING ERRCODE = 'invalid_parameter_value';
      END IF;
      IF i <= sep + length(s) - 7 THEN
        acc := ((acc << 5) | v) & 4095;
        bits := bits + 5;
        IF bits >= 8 THEN
          bits := bits - 8;
          hex := hex || lpad(to_hex((acc >> bits) & 255), 2, '0');
        END IF;
      END IF;
    END IF;
    top := chk >> 25;
    chk := ((chk & 33554431) << 5) # v;
    FOR j IN 1 .. 5 LOOP
      IF (top >> (j - 1)) & 1 = 1 THEN
        chk := chk # gen[j];
      END IF;
    END LOOP;
  END LOOP;
  IF chk <> 1 THEN
    RAISE EXCEPTION 'wrong checksum, mistyped? %', left(code, 100) USING ERRCODE = 'invalid_parameter_value';
  END IF;
  data := decode(hex, 'hex');
END $$;

CREATE FUNCTION nostr_id(code text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  s constant text := regexp_replace(btrim(code, E' \t\r\n'), '^nostr:', '', 'i');
  d record;
  at int := 0;
  n int;
BEGIN
  IF s ~ '^[0-9a-fA-F]{64}$' THEN
    RETURN lower(s);
  END IF;
  d := bech32_decode(s);
  IF d.hrp IN ('note', 'npub') AND octet_length(d.data) = 32 THEN
    RETURN encode(d.data, 'hex');
  END IF;
  -- A list of (type, length, value); type 0 is the id or key (NIP-19).
  IF d.hrp IN ('nevent', 'nprofile') THEN
    WHILE at + 2 <= octet_length(d.data) LOOP
      n := get_byte(d.data, at + 1);
      IF get_byte(d.data, at) = 0 AND n = 32 AND at + 34 <= octet_length(d.data) THEN
        RETURN encode(substring(d.data FROM at + 3 FOR 32), 'hex');
      END IF;
      at := at + 2 + n;
    END LOOP;
  END IF;
  RAISE EXCEPTION 'names no event and no author: %', left(code, 100) USING ERRCODE = 'invalid_parameter_value',
    HINT = 'Give 64 hex digits, or note1, nevent1, npub1, nprofile1.';
END $$;
COMMENT ON FUNCTION nostr_id IS 'The hex form of an event id or public key given as hex, note, nevent, npub or nprofile.';

CREATE FUNCTION tag_values(tags text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT ARRAY(SELECT t ->> 1 FROM jsonb_array_elements(tags::jsonb) t WHERE t ->> 1 IS NOT NULL) $$;

-- The NIP-01 object.  Where the canonical serialisation is kept, tags and content are cut out of it: the letter of NIP-01 leaves
-- control characters as they are, JSON does not, so those become \u00xx.
CREATE FUNCTION event_object(e event) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  head constant text := '{"id":"' || encode(e.id, 'hex') || '","pubkey":"' || encode(e.pubkey, 'hex') || '","created_at":'
    || e.created_at || ',"kind":' || e.kind || ',"tags":';
  tail constant text := ',"sig":"' || encode(e.sig, 'hex') || '"}';
  rest bytea;
  body text;
  tags text;
  at int;
BEGIN
  IF octet_length(e.canonical) = 0 THEN
    RETURN head || e.tags || ',"content":' || to_json(e.content) || tail;
  END IF;
  -- [0,"pubkey",created_at,kind, stands before the tags.
  rest := substring(e.canonical FROM 73 + length(e.created_at::text) + length(e.kind::text));
  LOOP
    at := position('\x00'::bytea IN rest);
    EXIT WHEN at = 0;
    rest := overlay(rest PLACING '\x5c7530303030'::bytea FROM at FOR 1);
  END LOOP;
  body := convert_from(rest, 'UTF8');
  IF body ~ E'[\\x01-\\x1f]' THEN
    FOR i IN 1 .. 31 LOOP
      body := replace(body, chr(i), '\u' || lpad(to_hex(i), 4, '0'));
    END LOOP;
  END IF;
  tags := substring(body FROM '^\[(?:\[(?:"(?:[^"\\]|\\.)*",?)*\],?)*\]');
  RETURN head || tags || ',"content":' || substr(body, length(tags) + 2, length(body) - length(tags) - 2) || tail;
END $$;

CREATE FUNCTION event_json(id text) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
  SELECT event_object(e) FROM event e WHERE encode(e.id, 'hex') = $1 $$;
COMMENT ON FUNCTION event_json IS 'The event as NIP-01 JSON; its id and signature can be verified from it, whatever it holds.';

CREATE FUNCTION insert_relay(url text, network text) RETURNS boolean LANGUAGE plpgsql STRICT AS $$
DECLARE
  fits constant text := CASE substring(split_part(url, '/', 3) FROM '\.(onion|i2p|loki)(?::[0-9]+)?$')
    WHEN 'onion' THEN 'tor' WHEN 'i2p' THEN 'i2p' WHEN 'loki' THEN 'loki' ELSE 'clearnet' END;
BEGIN
  IF octet_length(url) > 2048 OR url !~ '^wss?://[^[:space:][:cntrl:]/?#@]+(/[^[:space:][:cntrl:]#]*)?$' OR url ~ '/$'
     OR split_part(url, '/', 3) <> lower(split_part(url, '/', 3)) THEN
    RAISE EXCEPTION 'not a relay URL in normal form: %', left(url, 200) USING ERRCODE = 'invalid_parameter_value',
      HINT = 'ws:// or wss://, lower-case host, no user, no fragment, no slash at the end.';
  END IF;
  IF network <> fits THEN
    RAISE EXCEPTION 'network % does not fit the URL %', network, left(url, 200) USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO relays (url, network) VALUES ($1, $2) ON CONFLICT DO NOTHING;
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION insert_relay IS 'Adds a relay; true when it is new. The daemon finds it at its next look.';

-- Upkeep -----------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION delete_orphan_events() RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  part regclass;
  lo int4;
  hi int4;
  n int8;
  total int8 := 0;
BEGIN
  -- Partition by partition: a hash of the keys that were seen in its time, not a look-up for each event.
  FOR part IN SELECT i.inhrelid::regclass FROM pg_inherits i WHERE i.inhparent = 'event'::regclass LOOP
    EXECUTE format('SELECT min(key) >> 47, max(key) >> 47 FROM %s', part) INTO lo, hi;
    CONTINUE WHEN lo IS NULL;
    EXECUTE format('DELETE FROM %s e WHERE NOT EXISTS (SELECT FROM (
        SELECT unnest(s.keys) AS key FROM sighting s WHERE s.bucket BETWEEN $1 AND $2) k WHERE k.key = e.key)', part)
      USING lo, hi;
    GET DIAGNOSTICS n = ROW_COUNT;
    total := total + n;
  END LOOP;
  RETURN total;
END $$;
COMMENT ON FUNCTION delete_orphan_events IS 'Deletes events that no relay was ever seen to hold (imported ones too); returns how many.';

-- Excludes events for ever and deletes those that are here.  The lock makes writers wait that have checked the tombstones already.
CREATE FUNCTION exclude(p_what text, p_value bytea, p_until int8 DEFAULT 9223372036854775807, p_reason text DEFAULT '')
RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  n int8;
  p_taghash int8 := CASE WHEN p_what = 'recipient' THEN (tag('p', encode(p_value, 'hex')))[1] END;
BEGIN
  PERFORM pg_advisory_xact_lock(7, -2);
  INSERT INTO tombstone (what, value, until, taghash, reason) VALUES (p_what, p_value, p_until, p_taghash, p_reason)
    ON CONFLICT (what, value) DO UPDATE SET until = greatest(tombstone.until, excluded.until), reason = excluded.reason;
  CASE p_what
    WHEN 'event' THEN DELETE FROM event e WHERE encode(e.id, 'hex') = encode(p_value, 'hex') AND e.created_at <= p_until;
    WHEN 'author' THEN DELETE FROM event e WHERE encode(e.pubkey, 'hex') = encode(p_value, 'hex') AND e.created_at <= p_until;
    WHEN 'recipient' THEN DELETE FROM event e WHERE e.taghash @> ARRAY[p_taghash] AND e.kind = 1059 AND e.created_at <= p_until;
    WHEN 'kind' THEN DELETE FROM event e WHERE int4send(e.kind) = p_value AND e.created_at <= p_until;
  END CASE;
  GET DIAGNOSTICS n = ROW_COUNT;
  RETURN n;
END $$;
COMMENT ON FUNCTION exclude IS 'Writes a tombstone and deletes what it excludes; returns how many events went.';
