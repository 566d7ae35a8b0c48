"""What systemd hears from the daemon, and what the unit allows it: readiness, reloads, a watchdog that is fed by progress only."""
from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from conftest import ROOT, World
from world.daemon import Daemon
from world.process import give, standing_still, until

UNIT = ROOT / "packaging" / "systemd" / "bigbrotr.service"
EXPOSURE_MAX = 1.5


class Supervisor:
    """The other end of NOTIFY_SOCKET.  It must listen all the time: a socket of datagrams holds ten."""

    def __init__(self, daemon: Daemon):
        path = daemon.home / "notify.sock"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o666)
        give(path)
        self.socket.settimeout(0.2)
        daemon.env["NOTIFY_SOCKET"] = str(path)
        self.heard: list[str] = []
        self.closing = False
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self) -> None:
        while not self.closing:
            with contextlib.suppress(TimeoutError):
                self.heard += self.socket.recv(65536).decode().splitlines()

    def hears(self, line: str) -> bool:
        return line in self.heard

    def forget(self) -> None:
        self.heard.clear()

    def close(self) -> None:
        self.closing = True
        self.thread.join()
        self.socket.close()


@pytest.fixture
def supervised(world: World) -> Iterator[tuple[Daemon, Supervisor]]:
    daemon = world.daemon()
    supervisor = Supervisor(daemon)
    yield daemon, supervisor
    supervisor.close()


def test_what_the_supervisor_hears(supervised: tuple[Daemon, Supervisor]) -> None:
    daemon, supervisor = supervised
    daemon.start()
    until(lambda: supervisor.hears("READY=1"), 10, "it says that it is up", daemon.alive)
    until(lambda: supervisor.hears("WATCHDOG=1"), 10, "it feeds the watchdog", daemon.alive)
    until(lambda: supervisor.hears("STATUS=archiving"), 20, "it says what it does", daemon.alive)
    supervisor.forget()
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: supervisor.hears("RELOADING=1") and supervisor.hears("READY=1"), 10, "a reload has a beginning and an end", daemon.alive)
    assert any(re.fullmatch(r"MONOTONIC_USEC=\d+", line) for line in supervisor.heard)
    # The private database's processes must not speak in the daemon's name.
    for pid in daemon.processes():
        if pid != daemon.pid:
            assert b"NOTIFY_SOCKET" not in open(f"/proc/{pid}/environ", "rb").read()
    os.kill(daemon.pid, signal.SIGUSR1)
    until(lambda: "info status relays: {" in daemon.log(100), 10, "the state is in the log", daemon.alive)
    daemon.stop()
    until(lambda: supervisor.hears("STOPPING=1"), 5, "it says that it stops")


def test_the_watchdog_knows_a_hung_loop_from_a_slow_database(supervised: tuple[Daemon, Supervisor]) -> None:
    daemon, supervisor = supervised
    daemon.start()
    until(lambda: supervisor.hears("STATUS=archiving"), 20, "it archives", daemon.alive)
    database = daemon.postmaster()
    backends = [pid for pid in daemon.processes() if pid != daemon.pid]
    assert database in backends
    with standing_still(backends):
        supervisor.forget()
        time.sleep(3)
        assert supervisor.heard.count("WATCHDOG=1") >= 2, "a database that stands still is not a loop that stands still"
    with standing_still([daemon.pid]):
        time.sleep(0.5)
        supervisor.forget()
        time.sleep(2.5)
        assert not supervisor.heard, "a loop that stands still feeds nobody"
    until(lambda: supervisor.hears("WATCHDOG=1"), 10, "it goes on", daemon.alive)
    daemon.stop()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_narrow() -> None:
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)], text=True, capture_output=True, timeout=60,
                          check=False)
    found = re.search(r"exposure level for bigbrotr.service: ([\d.]+)", done.stdout)
    assert found and float(found[1]) <= EXPOSURE_MAX, done.stdout[-500:] + done.stderr
