"""The thin slice: a few ordinary relays, from the list of seeds to verified events, sightings and coverage in PostgreSQL; then a second
start, which must not download again what is proven."""
from __future__ import annotations

import os
import signal
import subprocess
import time

from conftest import World
from world.archive import assert_exact
from world.farm import Relay
from world.process import tell, until


def three_relays(world: World) -> list[Relay]:
    """Two of them share most of their events; one has a page limit far below what is asked for."""
    shared = {"n": 900, "seed": 11, "kinds": "0,1,3,6,7,30023", "times": "bursty", "exotic": 0.1}
    return world.farm.add(
        {"cap": 500, "data": [{"mint": shared}]},
        {"cap": 60, "data": [{"mint": shared, "share": 0.7, "seed": 3}, {"mint": {"n": 200, "seed": 12}}]},
        {"cap": 300, "ties": "arrival", "data": [{"mint": {"n": 700, "seed": 13, "times": "future", "kinds": "1,20001,22242"}}]},
    )


def test_three_relays_arrive_whole(world: World) -> None:
    relays = three_relays(world)
    daemon = world.daemon(*relays, first_start=True).start()
    daemon.complete(relays)
    archive = daemon.archive()
    assert_exact(archive, relays)
    assert archive.value("SELECT count(*) FROM relays") == 3
    assert archive.value("SELECT count(*) FROM events WHERE kind BETWEEN 20000 AND 29999 OR kind = 22242") == 0
    assert archive.sightings() == sum(len(archive.seen_at(r.url)) for r in relays)
    assert archive.value("SELECT min(seen_at_ms) > 1600000000000 AND max(seen_at_ms) - min(seen_at_ms) < 600000 FROM events_relays")
    daemon.stop()


def test_second_start_downloads_nothing_again(world: World) -> None:
    relays = three_relays(world)
    daemon = world.daemon(*relays).start()
    daemon.complete(relays)
    daemon.stop()
    first = world.farm.totals()["event_bytes"]
    world.farm.clear()
    # The second run has polling due at once, and must only ask for what is new.
    daemon.set("synchronizer", poll_interval="1s", overlap="0", overlap_backdated="0")
    fresh = relays[0].publish(mint={"n": 5, "seed": 77, "times": "one", "from": now(), "to": now()})
    daemon.start()
    world.farm.wait_quiet(0.5)
    until(lambda: set(fresh) <= daemon.archive().event_ids(), 30, "the new events are there", daemon.alive)
    again = world.farm.totals()["event_bytes"]
    # Far-future events are read again by design: top pages have no `until`.  Each relay may also show its boundary seconds.
    future = sum(r.record()["distinct_bytes"] for r in relays[2:])
    assert again < 0.02 * first + 6 * 500 + 12 * future + 12 * 900, f"{again} bytes of events after {first}"
    assert max(r.record()["events_sent"] for r in relays[:2]) < 60
    daemon.complete(relays)
    daemon.stop()


def now() -> int:
    return int(time.time())


def test_interrupt_ends_in_time_with_a_summary(world: World) -> None:
    relays = world.farm.add(*({"cap": 20, "reply_delay_ms": 30, "data": [{"mint": {"n": 1000, "seed": 50 + i}}]} for i in range(10)))
    daemon = world.daemon(*relays).start()
    until(lambda: world.farm.totals()["events_sent"] > 500, 30, "archiving has begun", daemon.alive)
    daemon.stop(signal.SIGINT)
    daemon.start()
    daemon.stop(signal.SIGTERM)


def test_stops_although_the_database_stands_still(world: World) -> None:
    """In time, and at once at a second signal; the next start recovers."""
    relays = world.farm.add(*({"cap": 20, "reply_delay_ms": 30, "data": [{"mint": {"n": 300, "seed": 50 + i}}]} for i in range(3)))
    daemon = world.daemon(*relays)

    def begin() -> list[int]:
        daemon.start()
        world.farm.clear()
        until(lambda: world.farm.totals()["events_sent"] > 60, 30, "archiving has begun", daemon.alive)
        stopped = [pid for pid in daemon.processes() if pid != daemon.pid]
        tell(signal.SIGSTOP, stopped)
        return stopped

    begin()
    daemon.stop()  # nothing is left, of PostgreSQL neither
    stopped = begin()
    assert daemon.process is not None
    os.kill(daemon.pid, signal.SIGINT)
    until(lambda: "interrupted: finishing what is in flight" in daemon.log(5), 10, "it has heard it", every=0.02)
    os.kill(daemon.pid, signal.SIGHUP)  # changes nothing now
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.process.wait(10) == 1, "an orderly stop would be exit 0"
    daemon.process = None
    assert "not reloaded" not in daemon.log(5) and "not everything could be written" not in daemon.log(2)
    tell(signal.SIGCONT, stopped)
    until(lambda: not daemon.processes(), 5, "the kernel ends PostgreSQL")
    daemon.start()
    daemon.complete(relays)
    daemon.stop()


def test_stops_while_the_database_is_made(world: World) -> None:
    daemon = world.daemon(first_start=True)
    daemon.start(wait=False)
    until(lambda: any("/postgres --" in command for command in daemon.processes().values()), 10, "initdb has begun", daemon.alive, every=0.01)
    daemon.stop()  # nothing is left
    daemon.start()
    daemon.stop()


def test_init_migrates_seeds_and_exits(world: World) -> None:
    relays = three_relays(world)
    daemon = world.daemon(*relays)
    done = daemon.run("--init")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not daemon.processes()
    assert world.farm.totals()["connections_total"] == 0
    daemon.set("synchronizer", enabled="false")
    daemon.start()
    assert {row[0] for row in daemon.archive().query("SELECT url FROM relays")} == {r.url for r in relays}
    daemon.stop()


def test_bad_configuration_is_exit_2(world: World) -> None:
    daemon = world.daemon()
    daemon.set("synchronizer", sesions_tor=5)
    daemon.set("database", batch_age="a while")
    for words in ((), ("--check-config",)):
        done = daemon.run(*words)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "sessions_tor" in done.stderr and "batch_age" in done.stderr, "all errors at once, with the nearest right name"
    version = subprocess.run([str(daemon.program), "--version"], capture_output=True, text=True, check=False)
    assert version.returncode == 0 and "bigbrotrd" in version.stdout
