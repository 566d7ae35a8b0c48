"""A history of checks as the monitor would have written it, made by the database itself: for views that must be quick however long it is.

Six relays of ten are dead; the others are up 98 times in 100, change their document every 45 days, and one in 50 of them has been slow
since yesterday.  Checks of the last 31 days go through check_count(), as the daemon's do; those before are counted in bulk.
"""
from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SQL = Path(__file__).resolve().parents[3] / "sql"
DAY, INTERVAL, COUNTED_DAYS, PORTION = 86400, 14400, 31, 200

SOFTWARE = ["https://github.com/hoytech/strfry", "git+https://github.com/hoytech/strfry.git", "https://git.sr.ht/~gheartsfield/nostr-rs-relay",
            "https://github.com/fiatjaf/khatru", "https://github.com/bitvora/haven", "https://github.com/cameri/nostream",
            "https://github.com/mattn/nostr-relay", "https://github.com/quentintaranpino/nostrcheck-server"]

# One document for each living relay and 45 days.
DOCUMENTS = """
WITH d AS (SELECT n, age, sha256(int8send(n::int8 * 100 + age)) AS id, (%(software)s::text[])[(n * 7 %% 13) %% 8 + 1] AS software,
    (n %% 4 + 1) || '.' || age AS version, ARRAY[1, 2, 4, 9, 11, 22, 28, 40, 70, 77] || (ARRAY[42, 45, 50, 65])[1 : n %% 5] AS nips
  FROM generate_series(1, %(relays)s) n, generate_series(0, %(days)s / 45) age WHERE n %% 10 >= 6),
 t AS (INSERT INTO document (id, what, json) SELECT sha256(id || 't'), 'tls', jsonb_build_object('version', 'TLSv1.2', 'issuer',
    'C=US, O=Let''s Encrypt, CN=R11', 'serial', encode(id, 'hex')) FROM d RETURNING 1),
 j AS (SELECT d.*, jsonb_build_object('name', 'relay ' || n, 'description', repeat('what this relay is about ' || n, 12), 'software',
    software, 'version', version, 'supported_nips', to_jsonb(nips), 'contact', 'mailto:op' || n || '@example.com') AS doc FROM d),
 i AS (INSERT INTO nip11 (id, name, description, software, version, supported_nips, nips, contact, limitation, document)
  SELECT encode(id, 'hex'), 'relay ' || n, doc->>'description', software, version, to_jsonb(nips), nips, doc->>'contact',
    '{"max_limit": 500, "auth_required": false}', convert_to(doc::text, 'UTF8') FROM j RETURNING 1)
SELECT count(*) FROM i, (SELECT count(*) FROM t) x"""
FINDINGS = """
INSERT INTO finding (finding_id, digest, nip11_id, tls_id, http_status, caps_known, caps, page_cap)
SELECT n * 100 + age, sha256(id || 'f'), encode(id, 'hex'), sha256(id || 't'), 101, 511, 193 + n % 4, 500
FROM (SELECT n, age, sha256(int8send(n::int8 * 100 + age)) AS id FROM generate_series(1, %(relays)s) n,
  generate_series(0, %(days)s / 45) age WHERE n %% 10 >= 6) d""".replace("n % 4", "n %% 4")

CHECKS = """
INSERT INTO relay_check (id, finding_id, rtt_open, rtt_read, rtt_write, rtt_nip11, dns_ms, tcp_ms, tls_ms, upgrade_ms, error_id, flags,
  dns_ttl)
SELECT check_id(n, at, 1::int2), CASE WHEN up THEN n * 100 + %(round)s / %(daily)s / 45 END, CASE WHEN up THEN rtt END, CASE WHEN up THEN rtt / 2 END,
  CASE WHEN up THEN rtt / 2 + 3 END, CASE WHEN up THEN rtt + 5 END, CASE WHEN up OR n %% 3 > 0 THEN 5 + h %% 9 END,
  CASE WHEN up THEN rtt / 5 END, CASE WHEN up THEN rtt / 3 END, CASE WHEN up THEN rtt / 5 END,
  CASE WHEN NOT up THEN n %% 3 + 1 END, CASE WHEN up THEN 2 + 8 + 16 + 128 ELSE 1 + 128 END, CASE WHEN up OR n %% 3 > 0 THEN 60 + h %% 240 END
FROM (SELECT x.*, n %% 10 >= 6 AND h %% 100 < 98 AS up,
    (80 + n %% 400 + h %% 50) * CASE WHEN n %% 50 = 7 AND at >= %(slow)s THEN 6 ELSE 1 END AS rtt
  FROM (SELECT n, %(start)s + k::int8 * %(interval)s + n::int8 * 7919 %% %(interval)s AS at,
      hashint8(n::int8 * 1000003 + k) & 2147483647 AS h
    FROM generate_series(%(first)s, %(last)s) n, generate_series(%(round)s, %(round)s + %(rounds)s - 1) k) x) y
ORDER BY at"""
COUNTED = f"""WITH i AS ({CHECKS} RETURNING id, finding_id, rtt_open, rtt_read, flags)
SELECT count(check_count(o.id, o.finding_id, o.rtt_open, o.rtt_read, o.flags)::text) FROM (SELECT * FROM i ORDER BY id & 137438953471) o"""
IN_BULK = f"""WITH i AS ({CHECKS} RETURNING id, rtt_open, rtt_read, flags)
INSERT INTO relay_day SELECT check_relay(id), check_at(id) / 86400, count(*), count(*) FILTER (WHERE flags & 3 = 2),
  count(*) FILTER (WHERE flags >> 2 & 3 = 2), count(rtt_open), count(rtt_read), coalesce(sum(rtt_open), 0), coalesce(sum(rtt_read), 0)
FROM i GROUP BY 1, 2
ON CONFLICT (relay_id, day) DO UPDATE SET checks = relay_day.checks + excluded.checks, opened = relay_day.opened + excluded.opened,
  readable = relay_day.readable + excluded.readable, open_n = relay_day.open_n + excluded.open_n,
  read_n = relay_day.read_n + excluded.read_n, open_ms = relay_day.open_ms + excluded.open_ms,
  read_ms = relay_day.read_ms + excluded.read_ms"""
TALLY = """
INSERT INTO relay_tally SELECT relay_id, sum(checks), sum(opened), min(day) * 86400::int8, %(at)s,
  ARRAY[sum(checks), sum(opened), sum(readable), sum(open_n), sum(read_n), sum(open_ms), sum(read_ms)]::int4[],
  array_fill(0, ARRAY[175]), array_fill(0, ARRAY[210]) FROM relay_day GROUP BY 1"""
HEALTH = """
UPDATE relay_monitor m SET last_check_at_ms = check_at(c.id) * 1000, next_at_ms = (check_at(c.id) + %(interval)s) * 1000,
  last_ok_at_ms = CASE WHEN c.flags & 3 = 2 THEN check_at(c.id) * 1000 ELSE 0 END,
  last_fail_at_ms = CASE WHEN c.flags & 3 = 1 THEN check_at(c.id) * 1000 ELSE 0 END,
  failures = CASE WHEN c.flags & 3 = 1 THEN 5 ELSE 0 END, rtt_read = c.rtt_read, rtt_p95 = c.rtt_read * 2, openable = c.flags & 3 = 2,
  readable = c.flags >> 2 & 3 = 2, writable = c.flags >> 4 & 3 = 2, caps_known = coalesce(f.caps_known, 0), caps = coalesce(f.caps, 0),
  page_cap = f.page_cap, error = coalesce(e.name, '')
FROM relay_check c LEFT JOIN finding f USING (finding_id) LEFT JOIN check_error e USING (error_id) WHERE c.id = m.check_id"""


def migrate(cursor: Any) -> None:
    """The schema, without the daemon."""
    for path in sorted(SQL.glob("*.sql")):
        cursor.execute(path.read_text())


def make(cursor: Any, relays: int, days: int, progress: Callable[[str], None] = lambda text: None) -> int:
    """`days` days of checks, one every 4 hours, up to now.  The connection must be in autocommit.  Returns how many there are."""
    start = int(time.time()) - days * DAY - INTERVAL
    values: dict[str, Any] = {"relays": relays, "days": days, "interval": INTERVAL, "daily": DAY // INTERVAL, "start": start,
                              "slow": start + (days - 1) * DAY, "software": SOFTWARE}
    cursor.execute("INSERT INTO relays (url, network) SELECT CASE WHEN n % 8 = 0 THEN 'ws://' || lpad(n::text, 56, 'a') || '.onion'"
                   " ELSE 'wss://relay' || n || '.example' END, CASE WHEN n % 8 = 0 THEN 'tor' ELSE 'clearnet' END"
                   " FROM generate_series(1, %s) n ORDER BY n".replace(" % 8", " %% 8"), (relays,))
    cursor.execute("INSERT INTO vantage VALUES (1, 'home')")
    cursor.execute("INSERT INTO check_error VALUES (1, 'connect_timeout'), (2, 'dns_not_found'), (3, 'connect_refused')")
    cursor.execute(DOCUMENTS, values)
    cursor.execute(FINDINGS, values)
    bulk = max(0, days - COUNTED_DAYS)
    daily = DAY // INTERVAL
    for day in range(days):
        if day < bulk:
            cursor.execute(IN_BULK, {**values, "round": day * daily, "rounds": daily, "first": 1, "last": relays})
        else:
            if day == bulk and bulk > 0:
                cursor.execute(TALLY, {"at": start + bulk * DAY})
            # In small transactions, as the daemon does it: what is updated in place stays small.
            for number in range(day * daily, (day + 1) * daily):
                for first in range(1, relays + 1, PORTION):
                    cursor.execute(COUNTED, {**values, "round": number, "rounds": 1, "first": first, "last": min(relays, first + PORTION - 1)})
        if day % 30 == 0:
            progress(f"day {day} of {days}")
    cursor.execute(HEALTH, values)
    cursor.execute("VACUUM ANALYZE")
    cursor.execute("SELECT count(*) FROM relay_check")
    return int(cursor.fetchone()[0])
