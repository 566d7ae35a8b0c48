"""The database goes away, or its disk is full: the daemon waits without spinning, loses nothing, and goes on by itself."""
from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import World
from test_http import get, listening
from world.archive import Archive, all_complete, assert_exact, describe
from world.daemon import Daemon
from world.farm import Relay
from world.process import give, standing_still, until
from world.servers import Postgres

OUTAGE_S = 6


def busy_relays(world: World, n: int = 1500, delay_ms: int = 20) -> list[Relay]:
    return world.farm.add(*({"cap": 50, "reply_delay_ms": delay_ms, "data": [{"mint": {"n": n, "seed": 61 + i, "times": "bursty"}}]}
                            for i in range(6)))


def database_processes(daemon: Daemon) -> list[int]:
    return [pid for pid in daemon.processes() if pid != daemon.pid]


def begun(world: World, daemon: Daemon) -> None:
    until(lambda: world.farm.totals()["events_sent"] > 300, 30, "archiving has begun", daemon.alive)


def assert_calm(daemon: Daemon, seconds: float) -> None:
    before = daemon.log_bytes()
    cpu = daemon.busy(seconds)
    assert cpu < 0.5 * seconds, f"{cpu:.1f} s of CPU in {seconds:.0f} s"
    written = daemon.log_bytes() - before
    assert written < 4000 + 1000 * seconds, f"{written} bytes of log in {seconds:.0f} s:\n{daemon.log()}"


def test_database_does_not_answer_for_a_while(world: World) -> None:
    relays = busy_relays(world)
    daemon = world.daemon(*relays)
    daemon.set("database", statement_timeout="2s")
    daemon.start()
    begun(world, daemon)
    with standing_still(database_processes(daemon)):
        time.sleep(1)
        assert_calm(daemon, OUTAGE_S)
    daemon.complete(relays, timeout=90)
    assert_exact(daemon.archive(), relays)
    daemon.stop()


def test_not_ready_while_the_database_does_not_answer(world: World) -> None:
    """Connected is not enough; and how long is too long can be changed while it runs."""
    daemon, port, _ = listening(world)
    daemon.set("database", statement_timeout="1h")
    daemon.start()
    until(lambda: get(port, "/ready")[0] == 200, 20, "it is ready", daemon.alive)
    with standing_still(database_processes(daemon)):
        time.sleep(7)  # by then it has asked for its figures
        assert get(port, "/ready")[0] == 200, "an hour was said"
        daemon.set("database", statement_timeout="1s")
        daemon.write_ini()
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: get(port, "/ready")[0] == 503, 10, "it says so", daemon.alive)
        assert "has not answered for" in get(port, "/ready")[1]
    until(lambda: get(port, "/ready")[0] == 200, 30, "it is ready again", daemon.alive)
    with contextlib.closing(daemon.archive().connect()) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE archive_count")
        until(lambda: "canceling statement due to statement timeout" in (daemon.state / "postgres.log").read_text(), 30,
              "a statement is given up after the new time", daemon.alive)
    daemon.stop()


def test_own_server_is_down_for_a_while(world: World) -> None:
    """By url: nobody restarts it for us."""
    server = Postgres(world.home, world.env)
    world.closers.append(server.stop)
    relays = busy_relays(world)
    daemon = world.daemon(*relays)
    use_server(daemon, server, "sslmode=require")
    daemon.start(wait=False)
    archive = server_archive(server)
    until(archive.answers, 30, "migrated", daemon.alive)
    begun(world, daemon)
    server.stop()
    time.sleep(1)
    assert_calm(daemon, OUTAGE_S)
    server.start()
    wait_complete(daemon, archive, relays)
    assert_exact(archive, relays)
    daemon.stop()


def use_server(daemon: Daemon, server: Postgres, options: str) -> None:
    secret = daemon.home / "password"
    secret.write_text(server.password + "\n")
    secret.chmod(0o600)
    give(secret)
    daemon.set("database", url=f"postgresql://archivist@localhost:{server.port}/archive?{options}", password_file=secret)


def server_archive(server: Postgres) -> Archive:
    return Archive(url=server.local_url)


def wait_complete(daemon: Daemon, archive: Archive, relays: list[Relay], timeout: float = 90) -> None:
    try:
        until(lambda: all_complete(archive, relays), timeout, "complete", daemon.alive, every=0.3)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{describe(archive, relays)}\n{daemon.log()}") from None


@pytest.fixture
def small_disk(world: World) -> Iterator[Path]:
    """A file system of 400 MB of its own."""
    path = world.home / "disk"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"NO TMPFS CAN BE MOUNTED HERE: {done.stderr.strip()}")
    path.chmod(0o755)
    give(path)
    try:
        yield path
    finally:
        for daemon in world.daemons:
            daemon.end()
        subprocess.run(["umount", "-l", str(path)], check=False)


def fill(disk: Path, leave: int) -> Path:
    """Takes all that is free but `leave` bytes."""
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free - leave
    with filler.open("wb") as f:
        try:
            for _ in range(free // (1 << 20)):
                f.write(bytes(1 << 20))
            f.write(bytes(free % (1 << 20)))
        except OSError:
            pass  # somebody else took some of it: full is full
    return filler


def test_disk_full(world: World, small_disk: Path) -> None:
    relays = busy_relays(world, 4000, delay_ms=50)
    daemon = world.daemon(*relays, first_start=True)
    daemon.set("daemon", state_dir=small_disk / "state")
    daemon.state = small_disk / "state"
    daemon.start()
    begun(world, daemon)
    filler = fill(small_disk, 0)
    archive = daemon.archive()
    before = world.farm.totals()["events_sent"]
    time.sleep(3)
    assert_calm(daemon, OUTAGE_S)
    sent = world.farm.totals()["events_sent"]
    assert sent < 6 * 4000, f"it goes on asking though nothing can be stored: {before} -> {sent}"
    filler.unlink()
    until(archive.answers, 30, "the database answers again", daemon.alive)
    daemon.complete(relays, timeout=90)
    assert_exact(archive, relays)
    daemon.stop()


def test_backfill_pauses_while_the_disk_is_nearly_full(world: World, small_disk: Path) -> None:
    relays = busy_relays(world, 3000)
    daemon = world.daemon(*relays, first_start=True)
    daemon.set("daemon", state_dir=small_disk / "state")
    daemon.set("archive", disk_free_min="20%")
    daemon.state = small_disk / "state"
    daemon.start()
    begun(world, daemon)
    filler = fill(small_disk, 40 << 20)

    def paused() -> bool:
        return bool(daemon.status()["paused"])
    until(paused, 30, "history waits", daemon.alive)
    world.farm.wait_quiet(1.5)
    assert world.farm.totals()["events_sent"] < 17000
    filler.unlink()
    until(lambda: not paused(), 30, "history goes on", daemon.alive)
    daemon.complete(relays, timeout=120)
    daemon.stop()
