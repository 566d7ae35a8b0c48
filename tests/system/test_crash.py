"""kill -9 at any moment, of the daemon and of PostgreSQL under the living daemon: exact at the end, nothing twice, no process left,
and the next start needs no hand."""
from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import pytest

from conftest import World
from world.archive import assert_exact
from world.farm import Relay
from world.process import until


def slow_relays(world: World) -> list[Relay]:
    """Enough work for all the kills, and events that several relays have."""
    shared = {"n": 1500, "seed": 41, "times": "bursty", "kinds": "1,7,6,30023", "content": "10-100"}
    return world.farm.add(*(
        {"cap": cap, "reply_delay_ms": 25, "data": [{"mint": shared, "share": 0.8, "seed": cap},
                                                  {"mint": {"n": 1000, "seed": 42 + i, "times": "bursty"}}]}
        for i, cap in enumerate((20, 30, 40, 50, 60, 70, 80, 100))))


def test_daemon_killed_again_and_again(world: World, request: pytest.FixtureRequest) -> None:
    kills = request.config.getoption("--kills")
    seed = int(os.environ.get("CRASH_SEED", random.randrange(1 << 30)))
    print(f"CRASH_SEED={seed}")
    dice = random.Random(seed)
    relays = slow_relays(world)
    daemon = world.daemon(*relays, first_start=True)
    for kill in range(kills):
        daemon.start(wait=False)
        # Also before the database exists, while it is made, and while it recovers.
        time.sleep(dice.choice([dice.uniform(0, 0.3), dice.uniform(0.3, 2.5), dice.uniform(0.8, 1.6)]))
        daemon.alive()
        daemon.kill()
        if kill % 5 == 4:
            daemon.start()
            with daemon.archive().session():
                pass
            daemon.kill()
    daemon.start()
    daemon.complete(relays, timeout=120)
    assert_exact(daemon.archive(), relays)
    daemon.stop()


def test_database_killed_under_the_living_daemon(world: World, request: pytest.FixtureRequest) -> None:
    kills = request.config.getoption("--database-kills")
    seed = int(os.environ.get("CRASH_SEED", random.randrange(1 << 30)))
    print(f"CRASH_SEED={seed}")
    dice = random.Random(seed)
    relays = slow_relays(world)
    daemon = world.daemon(*relays).start()
    for kill in range(kills):
        until(daemon.archive().answers, 30, f"the database is back after kill {kill}", daemon.alive, every=0.05)
        time.sleep(dice.uniform(0.05, 0.6))
        postmaster = daemon.postmaster()
        if dice.random() < 0.5:
            with contextlib.suppress(ProcessLookupError):
                os.kill(postmaster, signal.SIGKILL)
        else:  # one of its children: PostgreSQL restarts by itself, all connections are lost
            children = [pid for pid, command in daemon.processes().items() if pid != daemon.pid and pid != postmaster]
            with contextlib.suppress(ProcessLookupError):
                os.kill(dice.choice(children), signal.SIGKILL)
    daemon.complete(relays, timeout=120)
    assert_exact(daemon.archive(), relays)
    daemon.stop()


def test_killed_relays_and_daemon_restart_quickly(world: World) -> None:
    """A stale lock file, a socket that nobody serves: the next start needs no manual step."""
    relays = slow_relays(world)[:2]
    daemon = world.daemon(*relays).start()
    daemon.kill()
    (daemon.state / "postgres" / "postmaster.pid").write_text("1\n")
    started = time.monotonic()
    daemon.start()
    assert time.monotonic() - started < 20
    daemon.complete(relays, timeout=60)
    daemon.stop()
