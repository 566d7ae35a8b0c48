"""The monitor's first sweep over many relays of which most are dead, against the arithmetic minimum: what all checks take one after
the other, divided by how many are made at once.  And what it costs the archive that runs beside it."""
from __future__ import annotations

import http.client
import re
import socket
import time
from typing import Any

from stage import Row, Stage, database_cpu, memory
from world.archive import Archive
from world.daemon import Daemon
from world.farm import Relay
from world.process import cpu_seconds, until

TIMEOUT_S = 5.0
DEAD = ("refused", "silent", "reset", "404", "mute", "nxdomain")
MIB = 1 << 20


def dead(stage: Stage, n: int) -> list[Relay | str]:
    """A sixth each: refused, a time-out, reset, an answer that is no WebSocket, one that never answers, a name that does not exist."""
    profiles = {"silent": {"upgrade": "silent"}, "reset": {"upgrade": "reset"}, "404": {"upgrade": {"status": "404 Not Found"}},
                "mute": {"eose": "never"}}
    ways = [DEAD[i % len(DEAD)] for i in range(n)]
    made = iter(stage.farm.add(*(profiles[way] for way in ways if way in profiles)))
    urls: list[Relay | str] = []
    for i, way in enumerate(ways):
        if way in profiles:
            urls.append(next(made))
        elif way == "refused":
            urls.append(f"ws://127.200.{i >> 8}.{i & 255}:4321")
        else:
            urls.append(f"ws://gone{i}.farm-relay.com")
    return urls


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str):
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def lag(daemon: Daemon) -> dict[float, int]:
    """The cumulative buckets of the loop's lag, by upper bound in seconds."""
    connection = UnixConnection(str(daemon.home / "http.sock"))
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    rows = re.findall(r'^bigbrotr_loop_lag_seconds_bucket\{le="([^"]+)"\} (\d+)', text, re.M)
    return {float(bound.replace("+Inf", "inf")): int(count) for bound, count in rows}


def percentile(before: dict[float, int], after: dict[float, int], share: float) -> float:
    """The upper bound of the bucket that holds it."""
    counts = {bound: after[bound] - before.get(bound, 0) for bound in after}
    total = counts[float("inf")]
    return next(bound for bound in sorted(counts) if counts[bound] >= share * total)


def with_monitor(daemon: Daemon, **keys: Any) -> Daemon:
    daemon.set("monitor", **{"enabled": "true", "interval_clearnet": "12h", "confirm": "1h", "timeout_min": f"{TIMEOUT_S:g}s",
                             "timeout_max": f"{TIMEOUT_S:g}s", **keys})
    daemon.set("daemon", memory_max="256MiB")
    daemon.set("network", dns_timeout="2s", upgrade_timeout="10s", connects_per_second=2000)
    return daemon


def took_alone(stage: Stage, relays: list[Relay]) -> float:
    """Seconds of a check of a relay that is well, when few are made at once."""
    daemon = with_monitor(stage.daemon(*relays), checks_clearnet=4)
    daemon.set("synchronizer", enabled="false")
    daemon.start()
    archive = daemon.archive()
    until(lambda: checked(archive) == len(relays), 60, "the few are checked", daemon.alive)
    ms = float(archive.value("SELECT avg(rtt_p95) FROM relay_monitor"))
    daemon.stop()
    return ms / 1000


def checked(archive: Archive) -> int:
    return archive.value("SELECT count(*) FROM relay_monitor WHERE check_id IS NOT NULL")


def bench_sweep(stage: Stage) -> list[Row]:
    n, at_once = stage.size(10000, 1000), 200
    good = stage.farm.add(*({"data": [{"mint": {"n": 20, "seed": 120}}]} for _ in range(n * 4 // 10)))
    urls = [*good, *dead(stage, n - len(good))]
    alone = took_alone(stage, good[:40])
    slow = sum(1 for i in range(n - len(good)) if DEAD[i % len(DEAD)] in ("silent", "mute"))
    floor = (len(good) * alone + slow * TIMEOUT_S) / at_once
    daemon = with_monitor(stage.daemon(*urls), checks_clearnet=at_once, share="50%")
    daemon.set("synchronizer", enabled="false")
    daemon.start()
    until(lambda: daemon.status()["monitor"]["running"] > 0, 60, "it begins", daemon.alive, every=0.05)
    began, cpu, database, lag_before = time.monotonic(), cpu_seconds(daemon.pid), database_cpu(daemon), lag(daemon)
    until(lambda: daemon.status()["monitor"]["checks"] >= n, 900, "all are checked", daemon.alive, every=0.2)
    took, cpu, lag_after = time.monotonic() - began, cpu_seconds(daemon.pid) - cpu, lag(daemon)
    database = database_cpu(daemon) - database
    status = daemon.status()["monitor"]
    rows = [
        Row(f"a sweep of {n} relays, 60 % dead", f"{took:.1f} s", f"{floor:.1f} s (all checks / {at_once} at once)", f"{took / floor:.2f}", "1.2",
            f"{len(good)} that are well ({alone * 1000:.0f} ms each when few are checked), {slow} that run into {TIMEOUT_S:g} s, the rest fail at "
            f"once; {status['readable']} found readable"),
        Row("a check: CPU of the daemon", f"{cpu / n * 1e3:.2f} ms", "", "", "", "the mean over all of them, writing included"),
        Row("a check: CPU of PostgreSQL", f"{database / n * 1e3:.2f} ms", "", "", "", "the first of each relay: its rows are made"),
        Row("the loop in a sweep: lag, 99 of 100 below", f"{percentile(lag_before, lag_after, 0.99) * 1000:g} ms", "", "", "20 ms",
            "the upper bound of its bucket"),
        Row("memory in a sweep, at most", f"{memory(daemon) / MIB:.0f} MiB", "", "", "256 MiB and the program", "VmHWM, memory_max = 256MiB"),
    ]
    daemon.stop()
    return rows


def archived_in(stage: Stage, seconds: float, monitor: bool, relays: list[Relay], crowd: list[Relay | str]) -> float:
    """Events a second into a fresh archive, from these relays, while the crowd is checked or not."""
    daemon = with_monitor(stage.daemon(*relays, *(crowd if monitor else [])), enabled="true" if monitor else "false")
    daemon.set("network", connects_per_second=None, host_connect_interval=None)
    (daemon.home / "priority.txt").write_text("".join(f"{r.url}\n" for r in relays))
    daemon.start()
    until(lambda: daemon.status()["relays"]["by_state"]["reading"] >= len(relays), 60, "all of them are read", daemon.alive)
    before, began = daemon.status()["run"]["archived"], time.monotonic()
    checks = daemon.status()["monitor"]["checks"]
    time.sleep(seconds)
    rate = (daemon.status()["run"]["archived"] - before) / (time.monotonic() - began)
    made = daemon.status()["monitor"]["checks"] - checks
    assert not monitor or made > 0
    stage.made = made / seconds  # type: ignore[attr-defined]
    daemon.stop()
    return rate


def bench_sweep_beside(stage: Stage) -> list[Row]:
    """With the limits as they ship.  Those that are well want authentication: nobody reads them, so only the checks are added."""
    n, each, seconds = stage.size(10000, 1000), stage.size(60000, 20000), stage.size(40, 15)
    relays = stage.farm.add(*({"cap": 500, "reply_delay_ms": 100, "data": [{"mint": {"n": each, "seed": 130 + i, "times": "uniform",
                              "content": "250-650", "tags": 4}}]} for i in range(8)))
    crowd = [*stage.farm.add(*({"auth": "required"} for _ in range(n * 4 // 10))), *dead(stage, n * 6 // 10)]
    rates = {True: [], False: []}
    for monitor in (False, True, False, True):
        rates[monitor].append(archived_in(stage, seconds, monitor, relays, crowd))
    without, beside = (sum(rates[m]) / len(rates[m]) for m in (False, True))
    runs = "; ".join(f"{'with' if m else 'without'} {', '.join(f'{r:.0f}' for r in rates[m])}" for m in (False, True))
    return [Row("archiving beside a first sweep", f"{beside:.0f} events/s", f"{without:.0f} events/s (no monitor)", f"{beside / without:.2f}", "0.9",
                f"8 relays that take 100 ms for an answer, {n} others are checked as the configuration ships "
                f"({stage.made:.0f} checks a second); two runs of each ({runs})")]  # type: ignore[attr-defined]
