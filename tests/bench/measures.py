"""The measurements.  Each returns rows; the names in ALL are those of `run --only`."""
from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from scales import bench_home, bench_mini, bench_whole
from stage import Lag, Row, Stage, database_cpu, memory, read
from sweep import bench_sweep, bench_sweep_beside
from world.daemon import Daemon, find_program
from world.farm import Relay
from world.process import as_unprivileged, cpu_seconds, until

MIB = 1 << 20
FLOOR_ROUNDS = 4  # one COPY is soon over, and its CPU differs by a third from one to the next


def events(n: int, seed: int, per_second: float = 10, until_s: int | None = None) -> dict[str, Any]:
    """Events of about the size of real ones (some 950 bytes as a message), a steady stream of them."""
    to = until_s if until_s is not None else int(time.time()) // 86400 * 86400 - 7 * 86400
    return {"n": n, "seed": seed, "times": "uniform", "content": "250-650", "tags": 4, "authors": max(10, n // 20),
            "from": to - int(n / per_second), "to": to}


def ratio(a: float, b: float) -> str:
    return f"{a / b:.2f}" if b > 0 else "-"


# --- one relay: a new event, a known event, requests, bytes, the database


def bench_walk(stage: Stage) -> list[Row]:
    n, cap = stage.size(60000, 10000), 500
    data = [{"mint": events(n, 101)}]
    # Down until the meters have been read.
    first, second = stage.farm.add(*({"cap": cap, "data": data, "down": True} for _ in range(2)))
    daemon = stage.daemon(first, second).start()
    until(lambda: daemon.status()["database_up"], 60, "the database is up", daemon.alive)
    floors = [stage.verify_ns()]
    zero = read(daemon)
    lag = Lag(daemon)
    first.change(down=None)
    stage.in_sync(daemon, 1)
    stage.farm.wait_quiet(1.0)
    new = read(daemon).since(zero)
    new_lag = lag.stop()
    record = first.record()
    floors.append(stage.verify_ns())
    archived = new.run["archived"]
    rows = [Row("a new event: CPU of the daemon", f"{new.cpu / archived * 1e6:.1f} us", f"{mean(floors) / 1e3:.1f} us (Schnorr verify)",
                ratio(new.cpu / archived * 1e9, mean(floors)), "1.5",
                f"{archived} events of {record['event_bytes'] / record['events_sent']:.0f} bytes from one relay, pages of {cap}, without TLS; the floor is "
                "one bare check and the reading of its key, two programs at once, before and after")]
    rows += manners(record, n, cap)
    rows.append(Row("the daemon's loop: the longest absence in a walk", f"{new_lag} ms", "", "", "", "asked each half second"))
    before = read(daemon)
    second.change(down=None)
    stage.in_sync(daemon, 2)
    stage.farm.wait_quiet(1.0)
    known = read(daemon).since(before)
    read_again = known.run["event_messages"]
    rows.append(Row("a known event: CPU of the daemon", f"{known.cpu / read_again * 1e6:.2f} us", "", "", "10 us",
                    f"{read_again} events of a second relay with the same ones, sightings written too; "
                    f"{known.run['signature_checks']} signature checks; its CPU in PostgreSQL {known.database / read_again * 1e6:.1f} us"))
    rows += copy_floor(daemon, archived, new.database)
    daemon.stop()
    return rows


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def manners(record: dict[str, Any], n: int, cap: int) -> list[Row]:
    return [
        Row("requests for a first walk", str(record["requests_total"]), f"{n / cap:.0f} (events / page)",
            ratio(record["requests_total"], n / cap), "1.2 and a constant"),
        Row("bytes of EVENT messages, first walk of a relay", f"{record['event_bytes'] / MIB:.1f} MiB",
            f"{record['distinct_bytes'] / MIB:.1f} MiB (its distinct events)", ratio(record["event_bytes"], record["distinct_bytes"]), "1.10"),
    ]


def copy_floor(daemon: Daemon, archived: int, spent: float) -> list[Row]:
    """The same rows by binary COPY into empty twins of the partitions with the same indexes, events and sightings."""
    archive = daemon.archive()
    parts = [row[0] for row in archive.query(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent IN ('event'::regclass, 'sighting'::regclass)")]
    connection = archive.connect()
    connection.autocommit = True
    cost = 0.0
    with connection.cursor() as cursor:
        for i, part in enumerate(parts):
            cursor.execute(f"SELECT 1 FROM {part} LIMIT 1")
            if cursor.fetchone() is None:
                continue
            twin = f"bench_twin_{i}"
            cursor.execute(f"CREATE TABLE {twin} (LIKE {part} INCLUDING ALL)")
            # LIKE leaves exclusion constraints behind.
            cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'x'", (part,))
            for (definition,) in cursor.fetchall():
                cursor.execute(f"ALTER TABLE {twin} ADD {definition}")
            path = daemon.home / f"{twin}.bin"
            with path.open("wb") as f:
                cursor.copy_expert(f"COPY (SELECT * FROM {part} ORDER BY ctid) TO STDOUT (FORMAT binary)", f)
            for _ in range(FLOOR_ROUNDS):
                cursor.execute(f"TRUNCATE {twin}")
                cursor.execute("CHECKPOINT")
                before = database_cpu(daemon)
                with path.open("rb") as f:
                    cursor.copy_expert(f"COPY {twin} FROM STDIN (FORMAT binary)", f)
                cost += (database_cpu(daemon) - before) / FLOOR_ROUNDS
            cursor.execute(f"DROP TABLE {twin}")
            path.unlink()
    connection.close()
    return [Row("a new event and its sighting: CPU of PostgreSQL", f"{spent / archived * 1e6:.1f} us", f"{cost / archived * 1e6:.1f} us (bare COPY)",
                ratio(spent, cost), "1.5", "all processes of the database, coverage and the relays' state included; the floor is a binary COPY "
                f"of the stored rows of events and sightings into empty tables with the same indexes, mean of {FLOOR_ROUNDS}")]


def bench_store(stage: Stage) -> list[Row]:
    """The store alone, without the daemon: bench_store.c has its own floor."""
    n = stage.size(100000, 20000)
    program = find_program(stage.build, "bench_store")
    done = subprocess.run(as_unprivileged([str(program), str(n), "3"]), text=True, capture_output=True, timeout=300, check=False, cwd="/tmp")
    spent = re.findall(r"^(new event.*?)  +([\d.]+) us CPU.*\n.*bare COPY.*? +([\d.]+) us", done.stdout, re.M)
    assert len(spent) == 2, done.stdout + done.stderr
    return [Row(f"the store alone: a {what}", f"{ours} us", f"{floor} us (bare COPY)", ratio(float(ours), float(floor)), "1.5",
                f"bench_store {n} 3: {n} generated events, no daemon") for what, ours, floor in spent]


# --- many relays: memory, bytes on disk


def bench_many(stage: Stage) -> list[Row]:
    n, relays, share = stage.size(200000, 20000), 50, 0.2
    mint = events(n, 102)
    made = stage.farm.add(*({"cap": 500, "data": [{"mint": mint, "share": share, "seed": 500 + i}]} for i in range(relays)))
    daemon = stage.daemon(*made)
    limit = 64 * MIB
    daemon.set("daemon", memory_max="64MiB")
    daemon.set("synchronizer", live_max=relays)
    daemon.start()
    fixed = fixed_memory(stage)
    lag = Lag(daemon)
    stage.in_sync(daemon, relays, 400)
    stage.farm.wait_quiet(1.0)
    most, run, absent = memory(daemon), read(daemon), lag.stop()
    rows = [Row(f"{run.run['archived']} events from {relays} relays: memory of the daemon", f"{most / MIB:.0f} MiB at most",
                f"{fixed / MIB:.0f} MiB (a daemon without relays)", "", f"{(limit + fixed) / MIB:.0f} MiB",
                f"memory_max = 64MiB, the least that it takes; {run.run['event_messages']} EVENT messages; CPU {run.cpu:.1f} s of the daemon, "
                f"{run.database:.1f} s of PostgreSQL; {run.run['signature_checks'] / run.run['archived']:.3f} signature checks an event"),
            Row("the daemon's loop: the longest absence, 50 walks at once", f"{absent} ms", "", "", "10 ms of its own",
                f"wall clock, {os.cpu_count()} processors shared with PostgreSQL and the farm; the longest turn used {lag.turn_us / 1e3:.1f} ms")]
    rows += bytes_on_disk(daemon)
    daemon.stop()
    return rows


def fixed_memory(stage: Stage) -> int:
    """A daemon that has nothing to do."""
    idle = stage.daemon()
    idle.set("synchronizer", enabled="false")
    idle.start()
    time.sleep(1)
    used = memory(idle)
    idle.stop()
    return used


def bytes_on_disk(daemon: Daemon) -> list[Row]:
    archive = daemon.archive()

    def size(parent: str, function: str) -> float:
        return float(archive.value(f"SELECT sum({function}(inhrelid)) FROM pg_inherits WHERE inhparent = '{parent}'::regclass"))
    # Counted before the pending lists of GIN are merged, then after: VACUUM does it in an archive that lives.
    archive.execute("VACUUM ANALYZE")
    n, seen = archive.value("SELECT count(*) FROM event"), archive.value("SELECT count(*) FROM events_relays")
    heap, index = size("sighting", "pg_table_size") / seen, size("sighting", "pg_indexes_size") / seen
    return [Row("a sighting on disk, first walk", f"{heap + index:.1f} B", "", "", "25 B",
                f"{seen} sightings, {seen / n:.1f} an event, heap {heap:.1f} and indexes {index:.1f}"),
            Row("indexes of an event on disk", f"{size('event', 'pg_indexes_size') / n:.0f} B", "", "", "200 B",
                f"{n} events, 10 a second; heap {size('event', 'pg_table_size') / n:.0f} B")]


# --- nothing new


def bench_idle(stage: Stage) -> list[Row]:
    """An archive at rest with and without polls.  Timers cost what they cost; polls are brought near each other and then scaled."""
    relays, live, seconds = stage.size(200, 60), stage.size(150, 40), 24
    made = stage.farm.add(*({"data": [{"mint": events(50, 103)}]} for _ in range(relays)))
    still = resting(stage, made, live, "1h", seconds)
    polled = resting(stage, made, live, "1s", seconds)
    each = max(0.0, polled[0] - still[0]) / max(1, polled[1])
    wanted = 24 * (relays - live)  # polls of a day
    day = still[0] / seconds + each * wanted / 86400
    return [Row("a day with nothing new: share of one core", f"{day * 100:.2f} %", "", "", "0.5 %",
                f"{live} relays live and {relays - live} polled each hour: {seconds} s at rest ({still[0] / seconds * 100:.2f} %, "
                f"{still[1]} requests), then {seconds} s with poll_interval = 1s in a second archive: {polled[1]} requests, "
                f"{each * 1e6:.0f} us of CPU each with its connection, scaled to the {wanted} polls of a day; PostgreSQL at rest "
                f"{still[2] / seconds * 100:.2f} %")]


def resting(stage: Stage, relays: list[Relay], live: int, poll: str, seconds: int) -> tuple[float, int, float]:
    """CPU of the daemon, requests, and CPU of the database in so many seconds."""
    daemon = stage.daemon(*relays)
    daemon.set("synchronizer", live_max=live, poll_interval=poll)
    daemon.start()
    until(lambda: daemon.status()["relays"]["ever_in_sync"] >= len(relays), 60, "all have been in sync", daemon.alive)
    time.sleep(5)
    before = read(daemon)
    time.sleep(seconds)
    spent = read(daemon).since(before)
    daemon.stop()
    return spent.cpu, spent.run["requests"], spent.database


# --- live


def bench_live(stage: Stage) -> list[Row]:
    relays, n = 50, stage.size(3000, 1000)
    made = stage.farm.add(*({"data": [{"mint": events(20, 104)}]} for _ in range(relays)))
    daemon = stage.daemon(*made)
    daemon.set("synchronizer", live_max=relays)
    daemon.start()
    until(lambda: daemon.status()["relays"]["by_state"].get("live", 0) >= relays, 120, "all relays are live", daemon.alive)
    before = read(daemon)
    # As a live tail is: each event from all relays within a moment, and the next ones when these have come.  Faster than the database, it
    # would measure what happens when a pool is full.
    count = 20
    batches = [{**events(n // count, 700 + i), "from": int(time.time()) - 1800, "to": int(time.time())} for i in range(count)]
    for mint in batches:
        stage.farm.mint(**mint)
    with ThreadPoolExecutor(relays) as pool:
        for i, mint in enumerate(batches):
            list(pool.map(lambda relay, mint=mint: relay.publish(mint=mint), made))
            due = (i + 1) * (n // count) * relays
            until(lambda due=due: read(daemon).since(before).run["event_messages"] >= due, 60, "all have arrived", daemon.alive)
    until(lambda: read(daemon).since(before).run["archived"] >= n, 60, "all are archived", daemon.alive)
    spent = read(daemon).since(before)
    requests, connections = spent.run["requests"], spent.run["dials"]
    daemon.stop()
    messages = spent.run["event_messages"]
    return [Row(f"a live tail of {relays} relays with the same events: signature checks an event",
                f"{spent.run['signature_checks'] / spent.run['archived']:.3f}", "1", ratio(spent.run["signature_checks"], spent.run["archived"]), "1.1",
                f"{n} events, {messages} messages within seconds, {requests} requests and {connections} dials meanwhile; CPU of the daemon {spent.cpu / messages * 1e6:.1f} us a message, of PostgreSQL "
                f"{spent.database / messages * 1e6:.1f} us")]


# --- TLS


def bench_tls(stage: Stage) -> list[Row]:
    relays = stage.size(2000, 300)
    mint = events(20, 105)
    made: list[Relay] = []
    for i in range(0, relays, 250):
        made += stage.farm.add(*({"data": [{"mint": mint}]} for _ in range(min(250, relays - i))))
    daemon = stage.daemon(*(r.wss for r in made))
    daemon.set("synchronizer", live_max=relays, sessions_clearnet=relays)
    daemon.set("network", tls_ca_file=stage.farm.ca, connections_max=relays + 100, connects_per_second=200)
    daemon.start()
    before = cpu_seconds(daemon.pid)
    open_now = 0
    try:
        until(lambda: stage.farm.totals()["open"] >= relays, 150, "all are open", daemon.alive, every=0.5)
    except AssertionError:
        pass
    time.sleep(5)
    open_now = stage.farm.totals()["open"]
    used, most = memory(daemon, "VmRSS"), memory(daemon)
    cpu = cpu_seconds(daemon.pid) - before
    run = daemon.status()["run"]
    daemon.stop()
    fixed = fixed_memory(stage)
    return [Row(f"{open_now} open TLS connections: memory of the daemon", f"{used / MIB:.0f} MiB, {most / MIB:.0f} at most",
                f"{fixed / MIB:.0f} MiB (a daemon without relays)", "", "256 MiB for 2,000",
                f"{relays} relays asked for, memory_max as it ships; {(used - fixed) / max(1, open_now) / 1024:.1f} KiB a connection; "
                f"{run['dials']} dials, {cpu / max(1, run['dials']) * 1e3:.1f} ms of CPU each with walk and subscription")]


ALL: dict[str, Callable[[Stage], list[Row]]] = {
    "walk": bench_walk, "store": bench_store, "many": bench_many, "idle": bench_idle, "live": bench_live, "tls": bench_tls,
    "sweep": bench_sweep, "sweep_beside": bench_sweep_beside,
    "home": bench_home, "mini": bench_mini, "whole": bench_whole,
}
