"""What people ask about the health of relays reads a row a relay, however many checks there are: 300 relays and 30 days of history are
made in a database of its own (tests/bench/bench_checks.py: 10,000 and a year), and the plans are looked at, never a clock."""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from conftest import World
from world import history
from world.servers import Postgres

RELAYS, DAYS = 300, 30
CHECKS = RELAYS * DAYS * history.DAY // history.INTERVAL
ONE = "WHERE relay_url = 'wss://relay17.example'"

# Pages that may be touched: of all relays, a few each and the small tables; of one relay, what an index leads to.
ALL, FEW = 12 * RELAYS, 120
QUERIES = {
    "SELECT * FROM relay_metadata_latest LIMIT 10": FEW,
    f"SELECT * FROM relay_metadata_latest {ONE}": FEW,
    "SELECT * FROM relay_metadata_latest": ALL,
    "SELECT * FROM readable_relays": ALL,
    f"SELECT * FROM relay_uptime {ONE}": FEW,
    "SELECT * FROM relay_uptime": ALL,
    "SELECT * FROM relay_uptime ORDER BY uptime_percentage_30d DESC NULLS LAST LIMIT 20": ALL,
    f"SELECT * FROM relay_uptime_daily {ONE}": FEW,
    f"SELECT * FROM relay_health {ONE}": FEW,
    "SELECT * FROM relay_health": ALL,
    "SELECT * FROM relay_degraded": ALL,
    "SELECT * FROM relay_software": ALL,
    "SELECT * FROM supported_nips": ALL,
    "SELECT * FROM network_stats": ALL,
    "SELECT * FROM relay_history('wss://relay17.example', 10)": 400,
    f"SELECT * FROM relay_checks {ONE}": 10 * DAYS * 6,
    f"SELECT * FROM relay_metadata {ONE}": 10 * DAYS * 6,
    "SELECT r.url, r.network, m.generated_at, n.readable, n.rtt_read FROM relays r LEFT JOIN relay_metadata_latest m"
    " ON m.relay_url = r.url LEFT JOIN nip66 n ON n.id = m.nip66_id": 2 * ALL,
}


@pytest.fixture
def cursor(world: World) -> Iterator[Any]:
    server = Postgres(world.home, world.env)
    world.closers.append(server.stop)
    connection = psycopg2.connect(server.local_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        history.migrate(cursor)
        assert history.make(cursor, RELAYS, DAYS) == CHECKS
        yield cursor
    connection.close()


def plan(cursor: Any, sql: str) -> tuple[str, int, list[str]]:
    """The text of the plan, the pages that were touched, the tables that were read as a whole."""
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}")
    text = "\n".join(row[0] for row in cursor.fetchall()).split("Planning:")[0]
    buffers = re.search(r"Buffers: shared([^\n]*)", text)
    pages = sum(int(n) for n in re.findall(r"(?:hit|read)=(\d+)", buffers[1])) if buffers else 0
    return text, pages, re.findall(r"Seq Scan on (\w+)", text)


def test_views_read_a_row_a_relay(cursor: Any) -> None:
    bad = []
    # So short a history is read as a whole as quickly as by index, and the planner knows; a year is not.
    cursor.execute("SET enable_seqscan = off")
    for sql, most in QUERIES.items():
        text, pages, whole = plan(cursor, sql)
        if pages > most or {"relay_check", "relay_day"} & set(whole):
            bad.append(f"{sql}: {pages} pages, {most} allowed\n{text}")
    assert not bad, "\n\n".join(bad)
    # The measure itself can fail: this reads all checks.
    cursor.execute("RESET enable_seqscan")
    _, pages, whole = plan(cursor, "SELECT count(*) FROM relay_check WHERE rtt_open > 100")
    assert whole == ["relay_check"] and pages > 100
    the_figures_are_those_of_the_checks(cursor)


def the_figures_are_those_of_the_checks(cursor: Any) -> None:
    """In one snapshot, since the windows move."""
    cursor.execute("""
      WITH h AS (SELECT relay_url, generated_at, openable, generated_at / 3600 >= extract(epoch FROM now())::int8 / 3600 - 24 AS d1,
          extract(epoch FROM now())::int8 / 86400 - generated_at / 86400 AS days FROM relay_checks)
      SELECT count(*), count(*) FILTER (WHERE (u.total_checks, u.successful_checks, u.total_checks_1d, u.successful_checks_1d,
          u.total_checks_7d, u.successful_checks_7d, u.total_checks_30d, u.successful_checks_30d) IS DISTINCT FROM
          (x.n, x.ok, x.n1, x.ok1, x.n7, x.ok7, x.n30, x.ok30))
      FROM relay_uptime u FULL JOIN (SELECT relay_url, count(*) AS n, count(*) FILTER (WHERE openable) AS ok,
          count(*) FILTER (WHERE d1) AS n1, count(*) FILTER (WHERE d1 AND openable) AS ok1,
          count(*) FILTER (WHERE days < 7) AS n7, count(*) FILTER (WHERE days < 7 AND openable) AS ok7,
          count(*) FILTER (WHERE days < 30) AS n30, count(*) FILTER (WHERE days < 30 AND openable) AS ok30
        FROM h GROUP BY 1) x USING (relay_url)""")
    assert cursor.fetchone() == (RELAYS, 0)
    cursor.execute("SELECT count(*) FROM relay_metadata_latest l WHERE generated_at = (SELECT max(generated_at) FROM relay_metadata m"
                   " WHERE m.relay_url = l.relay_url)")
    assert cursor.fetchone() == (RELAYS,)
    cursor.execute("SELECT array_agg(DISTINCT reasons), count(*) FROM relay_degraded")
    reasons, n = cursor.fetchone()
    assert n == RELAYS // 50 and reasons == [["rtt_open", "rtt_read"]]
    cursor.execute("SELECT sum(relays), sum(checked), sum(openable) - (SELECT count(*) FROM readable_relays) FROM network_stats")
    assert cursor.fetchone() == (RELAYS, RELAYS, 0)
    cursor.execute("SELECT (SELECT sum(relays) FROM relay_software), (SELECT max(relays) FROM supported_nips)")
    assert cursor.fetchone() == (RELAYS * 4 // 10, RELAYS * 4 // 10)
    bytes_of_a_check(cursor)


def bytes_of_a_check(cursor: Any) -> None:
    cursor.execute("SELECT pg_table_size('relay_check') / %s, pg_indexes_size('relay_check') / %s", (CHECKS, CHECKS))
    heap, index = cursor.fetchone()
    assert heap <= 80 and index <= 45, f"{heap} + {index} bytes a check"
    cursor.execute("SELECT sum(pg_column_size(t.*)) / count(*) FROM relay_tally t")
    assert cursor.fetchone()[0] < 2000, "rows of relay_tally do not fit into a page any more: they would be stored apart"
