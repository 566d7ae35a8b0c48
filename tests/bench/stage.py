"""The stage of one measurement: a farm, a daemon, and the meters that are read beside them."""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from world.daemon import Daemon, find_program
from world.farm import Farm, Relay
from world.process import MARK, cpu_seconds, give, until

TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Row:
    what: str
    measured: str
    floor: str = ""
    ratio: str = ""
    goal: str = ""
    note: str = ""


def database_cpu(daemon: Daemon) -> float:
    """CPU seconds of all processes of the private database, those that have ended included (their parent keeps the sum)."""
    data = str(daemon.state / "postgres")
    ticks = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if os.readlink(f"/proc/{entry}/cwd") != data:
                continue
            with open(f"/proc/{entry}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(int(fields[i]) for i in (11, 12, 13, 14))
    return ticks / TICK


def memory(daemon: Daemon, name: str = "VmHWM") -> int:
    """Bytes; VmHWM is the most that was ever resident, VmRSS what is now."""
    with open(f"/proc/{daemon.pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(name + ":"))


@dataclass
class Meter:
    """A reading of everything, to be subtracted from a later one."""
    cpu: float
    database: float
    run: dict[str, Any]

    def since(self, before: "Meter") -> "Meter":
        run = {k: v - before.run.get(k, 0) for k, v in self.run.items() if isinstance(v, (int, float))}
        return Meter(self.cpu - before.cpu, self.database - before.database, run)


def read(daemon: Daemon) -> Meter:
    return Meter(cpu_seconds(daemon.pid), database_cpu(daemon), daemon.status()["run"])


class Lag:
    """The longest time that the daemon's loop was away, and the most processor time that one of its turns used, which others on the
    machine do not add to.  Asked each half second: its own figures are those of the last second."""

    def __init__(self, daemon: Daemon):
        self.daemon, self.most, self.turn_us, self.over = daemon, 0, 0, False
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.over:
            try:
                status = self.daemon.status()
                self.most = max(self.most, status["loop_lag_max_milliseconds"])
                self.turn_us = max(self.turn_us, status["loop_turn_max_microseconds"])
            except (OSError, ValueError, KeyError):
                pass
            time.sleep(0.5)

    def stop(self) -> int:
        self.over = True
        self.thread.join()
        return self.most


class Stage:
    def __init__(self, build: Path, quick: bool, keep: bool):
        self.build, self.quick, self.keep = build, quick, keep
        self.home = Path(tempfile.mkdtemp(prefix="bb-bench-", dir="/tmp"))
        self.home.chmod(0o755)
        give(self.home)
        self.data = Path(tempfile.gettempdir()) / "bb-bench-data"  # events are dear to make: kept from run to run
        self.data.mkdir(exist_ok=True)
        self.env = {k: v for k, v in os.environ.items() if k != MARK}
        self.farm = Farm(self.data, find_program(build, "mint"), self.env, self.home / "farm.log")
        self.daemons: list[Daemon] = []

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in self.daemons:
            daemon.end()
        self.farm.stop()
        if not self.keep:
            shutil.rmtree(self.home, ignore_errors=True)

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def daemon(self, *relays: Relay | str) -> Daemon:
        home = self.home / f"d{len(self.daemons)}"
        home.mkdir()
        home.chmod(0o755)
        daemon = Daemon(find_program(self.build, "bigbrotrd"), find_program(self.build, "bigbrotr"), home, self.farm.ready["dns"])
        daemon.seeds(*(r if isinstance(r, str) else r.url for r in relays))
        # What is shortened for tests but not meant here: silence under load is not a fault, and batches are as they ship.
        daemon.set("synchronizer", idle_timeout=None, request_timeout=None, gap_retry=None)
        daemon.set("database", batch_age=None)
        daemon.set("network", connect_timeout=None, tls_timeout=None, upgrade_timeout=None)
        self.daemons.append(daemon)
        return daemon

    def in_sync(self, daemon: Daemon, relays: int, timeout: float = 300) -> None:
        """Waits by the daemon's own count, which costs the database nothing."""
        def done() -> bool:
            states = daemon.status()["relays"]["by_state"]
            return states.get("live", 0) + states.get("in_sync", 0) >= relays
        until(done, timeout, f"{relays} relays are in sync: {daemon.status()['relays']}", daemon.alive, every=0.2)

    def verify_ns(self, both: bool = True) -> float:
        """The floor: CPU of one bare check, key read from its bytes, with as many at once as there are processors (as under load)."""
        program = find_program(self.build, "bench_verify")
        runs = [subprocess.Popen([str(program), "20000"], stdout=subprocess.PIPE, text=True)
                for _ in range(2 if both else 1)]
        return min(float(run.communicate()[0].split()[0]) for run in runs)
