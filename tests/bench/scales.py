"""Three sizes of an archive, for docs/size.md: so many relays over TLS, checked and followed live, with the keys that the page says."""
from __future__ import annotations

import os
import time
from typing import Any

from stage import Row, Stage, memory, read
from world.daemon import Daemon
from world.process import until

MIB = 1 << 20
EVENTS, EACH = 20000, 100  # distinct ones, and of them at each relay
REST_S = 60
# Relays, how many of ten do not answer, and the keys.
HOME: tuple[int, int, dict[str, dict[str, Any]]] = (100, 0, {"daemon": {"memory_max": "128MiB"}, "synchronizer": {"live_max": 100}})
MINI: tuple[int, int, dict[str, dict[str, Any]]] = (1000, 2, {"daemon": {"memory_max": "256MiB"}, "synchronizer": {"live_max": 800}})
WHOLE: tuple[int, int, dict[str, dict[str, Any]]] = (
    9000, 5, {"daemon": {"memory_max": "1GiB"}, "network": {"connections_max": 8000}, "synchronizer": {"live_max": 3000, "sessions_clearnet": 500}})


def database_memory(daemon: Daemon) -> int:
    """Of all processes of the private database, what they share counted once."""
    data, total = str(daemon.state / "postgres"), 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{entry}/cwd") == data:
                with open(f"/proc/{entry}/smaps_rollup") as f:
                    total += next(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))
        except OSError:
            continue
    return total


def scale(stage: Stage, relays: int, dead: int, keys: dict[str, dict[str, Any]]) -> list[Row]:
    relays = stage.size(relays, relays // 10)
    mint = {"n": EVENTS, "seed": 106, "times": "uniform", "content": "250-650", "tags": 4, "authors": 1000,
            "from": int(time.time()) // 86400 * 86400 - 90 * 86400, "to": int(time.time()) // 86400 * 86400}
    made = []
    for first in range(0, relays, 250):
        made += stage.farm.add(*({"data": [{"mint": mint, "share": EACH / EVENTS, "seed": i}], "down": i % 10 < dead}
                                 for i in range(first, min(relays, first + 250))))
    answer = sum(i % 10 >= dead for i in range(relays))
    daemon = stage.daemon(*(r.wss for r in made))
    daemon.set("network", tls_ca_file=stage.farm.ca, connects_per_second=None)
    daemon.set("synchronizer", poll_interval=None, retry_min=None, retry_max=None)
    daemon.set("monitor", enabled="true")
    for section, values in keys.items():
        daemon.set(section, **values)
    daemon.start()
    began = time.monotonic()
    until(lambda: daemon.status()["relays"]["ever_in_sync"] >= 0.99 * answer, 900, "nearly all have been in sync", daemon.alive, every=1)
    took = time.monotonic() - began
    first = read(daemon)
    time.sleep(10)
    before = read(daemon)
    time.sleep(REST_S)
    rest = read(daemon).since(before)
    status = daemon.status()
    most, postgres = memory(daemon), database_memory(daemon)
    checks = daemon.archive().value("SELECT count(*) FROM relay_checks")
    daemon.stop()
    name = f"{relays} relays, {relays - answer} of them dead"
    return [
        Row(f"{name}: memory of the daemon, of PostgreSQL", f"{most / MIB:.0f} MiB at most, {postgres / MIB:.0f} MiB", note=f"{keys}; {status['relays']['by_state']}"),
        Row(f"{name}: all checked and walked once ({EACH} events each)", f"{took:.0f} s",
            note=f"{checks} checks, {first.run['dials']} dials, {first.run['event_messages']} EVENT messages; CPU of the daemon {first.cpu:.0f} s, of PostgreSQL {first.database:.0f} s"),
        Row(f"{name}: at rest, share of one core", f"{rest.cpu / REST_S * 100:.1f} %",
            note=f"{REST_S} s; PostgreSQL {rest.database / REST_S * 100:.1f} %; {rest.run['dials']} dials, {rest.run['requests']} requests"),
    ]


def bench_home(stage: Stage) -> list[Row]:
    return scale(stage, *HOME)


def bench_mini(stage: Stage) -> list[Row]:
    return scale(stage, *MINI)


def bench_whole(stage: Stage) -> list[Row]:
    return scale(stage, *WHOLE)
