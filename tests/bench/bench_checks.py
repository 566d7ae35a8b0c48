#!/usr/bin/python3
"""A year of checks, in a database of its own: what it costs in bytes, and how long the views take.

    tests/bench/bench_checks.py [--relays 10000] [--days 365] [--home DIR] [--keep] [--plans]

Takes half an hour and 5 GB.  Each query is run with EXPLAIN (ANALYZE, BUFFERS) until its CPU time can be told: that of the server process,
so that what else the machine does matters little; the best time by the clock stands beside it.  PostgreSQL has the settings of the daemon's
private one that bear on plans, and no parallel workers.
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from world import history  # noqa: E402
from world.process import give  # noqa: E402
from world.servers import Postgres  # noqa: E402

RELAY = "wss://relay4567.example"
QUERIES = {
    "relay_metadata_latest, 10 rows": "SELECT * FROM relay_metadata_latest LIMIT 10",
    "relay_metadata_latest, one relay": f"SELECT * FROM relay_metadata_latest WHERE relay_url = '{RELAY}'",
    "relay_metadata_latest, all": "SELECT * FROM relay_metadata_latest",
    "readable_relays, all": "SELECT * FROM readable_relays",
    "relays with nip66 (CONTRACT)": "SELECT r.url, r.network, m.generated_at, n.readable, n.rtt_read FROM relays r LEFT JOIN"
                                    " relay_metadata_latest m ON m.relay_url = r.url LEFT JOIN nip66 n ON n.id = m.nip66_id",
    "relay_uptime, one relay": f"SELECT * FROM relay_uptime WHERE relay_url = '{RELAY}'",
    "relay_uptime, all": "SELECT * FROM relay_uptime",
    "relay_uptime, best 20 of 30 days": "SELECT * FROM relay_uptime ORDER BY uptime_percentage_30d DESC NULLS LAST LIMIT 20",
    "relay_uptime_daily, one relay, a year": f"SELECT * FROM relay_uptime_daily WHERE relay_url = '{RELAY}' ORDER BY day",
    "relay_health, one relay": f"SELECT * FROM relay_health WHERE relay_url = '{RELAY}'",
    "relay_health, all": "SELECT * FROM relay_health",
    "relay_degraded": "SELECT * FROM relay_degraded",
    "relay_software": "SELECT * FROM relay_software",
    "supported_nips": "SELECT * FROM supported_nips",
    "network_stats": "SELECT * FROM network_stats",
    "relay_history, newest 50 of a relay": f"SELECT * FROM relay_history('{RELAY}', 50)",
    "relay_checks, a year of a relay": f"SELECT * FROM relay_checks WHERE relay_url = '{RELAY}'",
    "relay_metadata, a year of a relay": f"SELECT * FROM relay_metadata WHERE relay_url = '{RELAY}'",
}
TABLES = ("relay_check", "relay_day", "relay_tally", "relay_monitor", "finding", "nip11", "document")


def cpu_ms(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def explain(cursor: Any, sql: str) -> tuple[float, float, list[str]]:
    """CPU and best time by the clock, in milliseconds, and the plan; planning is in the first."""
    pid = cursor.connection.get_backend_pid()
    n, best, plan, begun = -1, 0.0, [], 0.0
    while n < 10 or (cpu_ms(pid) - begun < 400 and n < 300):
        if n == 0:  # the first one only warms up
            begun = cpu_ms(pid)
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {sql}")
        plan = [row[0] for row in cursor.fetchall()]
        took = float(re.search(r"Execution Time: ([\d.]+)", "\n".join(plan))[1])  # type: ignore[index]
        best = took if n < 1 else min(best, took)
        n += 1
    return (cpu_ms(pid) - begun) / n, best, plan


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--relays", type=int, default=10000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--keep", action="store_true", help="leave the database and say where it is")
    parser.add_argument("--plans", action="store_true", help="show whole plans")
    options = parser.parse_args()
    import psycopg2

    home = options.home or Path(tempfile.mkdtemp(prefix="bb-checks-", dir="/tmp"))
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    give(home)
    server = Postgres(home, dict(os.environ))
    try:
        connection = psycopg2.connect(server.local_url)
        connection.autocommit = True
        server.sql("ALTER SYSTEM SET shared_buffers = '256MB'; ", "postgres")
        server.sql("ALTER SYSTEM SET max_wal_size = '4GB'", "postgres")
        server.sql("ALTER DATABASE archive SET jit = off", "postgres")
        server.sql("ALTER DATABASE archive SET random_page_cost = 1.5", "postgres")
        server.sql("ALTER DATABASE archive SET max_parallel_workers_per_gather = 0", "postgres")
        connection.close()
        server.stop()
        server.start()
        connection = psycopg2.connect(server.local_url)
        connection.autocommit = True
        cursor = connection.cursor()
        history.migrate(cursor)
        begun = time.monotonic()
        n = history.make(cursor, options.relays, options.days, lambda text: print(f"{text}, {time.monotonic() - begun:.0f} s", flush=True))
        print(f"{n} checks of {options.relays} relays in {options.days} days, made in {time.monotonic() - begun:.0f} s")
        total = 0
        for table in TABLES:
            cursor.execute("SELECT pg_table_size(%s), pg_indexes_size(%s)", (table, table))
            heap, index = cursor.fetchone()
            total += heap + index
            print(f"{table:14} {heap / 2**20:8.1f} MiB + indexes {index / 2**20:8.1f} MiB  {(heap + index) / n:6.1f} B a check")
        print(f"all            {total / 2**20:8.1f} MiB  {total / n:.1f} B a check")
        for name, sql in QUERIES.items():
            cpu, best, plan = explain(cursor, sql)
            print(f"{name:40} {cpu:8.2f} ms of CPU, {best:8.2f} ms at best  {next(x.strip() for x in plan if 'Buffers:' in x)}", flush=True)
            if options.plans:
                print("\n".join("    " + line for line in plan))
        cursor.execute("SELECT extract(epoch FROM now())::int8 - 86400 * %s", (options.days // 2,))
        before = cursor.fetchone()[0]
        begun, gone = time.monotonic(), 0
        for _ in range(20):
            cursor.execute("SELECT checks_thin(%s, 5000)", (before,))
            gone += cursor.fetchone()[0]
        print(f"checks_thin: {(time.monotonic() - begun) / max(gone, 1) * 1e6:.1f} us a check ({gone} in portions of 5000)")
        if options.keep:
            print(f"kept: psql '{server.local_url}'", flush=True)
            return 0
    finally:
        if not options.keep:
            server.stop()
            shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
