"""No silent loss, whatever a relay does: the invariant of the walk, by SQL against the farm's own record, for many seeds.

Each seed is a relay with data, limits and bad habits of its own (tests/support/farm/seeds.js).  All of them are archived by one daemon
at the same time.  Where the relay lets a patient client have everything ("whole"), everything must be there in the end; where the
client can know that, too ("tame"), it must be proven.

A failing seed is printed; `--seed K` replays it alone.  Then it goes into failed-seeds.txt for ever.
"""
from __future__ import annotations

import time
from pathlib import Path

import pytest

from conftest import World
from world.archive import Finding, exact, examine
from world.daemon import Daemon
from world.farm import Relay

RELAYS_AT_ONCE = 500  # in one daemon run


def chosen(config: pytest.Config) -> list[int]:
    only = config.getoption("--seed")
    if only is not None:
        return [only]
    first = config.getoption("--first-seed")
    lines = (Path(__file__).parent / "failed-seeds.txt").read_text().splitlines()
    failed = [int(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    return sorted(set(failed) | set(range(first, first + config.getoption("--seeds"))))


def judge(daemon: Daemon, relays: list[Relay]) -> tuple[list[Finding], list[str]]:
    with daemon.archive().session() as cursor:
        return [examine(cursor, r) for r in relays], exact(cursor)


def settled(daemon: Daemon, relays: list[Relay], patience: float) -> tuple[list[Finding], dict[int, str]]:
    """Until tame relays are complete, whole ones archived, and nothing has been learnt for a while; the invariant is checked all the
    time.  Returns what is there at the end, and the first fault of each seed."""
    deadline = time.monotonic() + patience
    last, changed, broken = None, time.monotonic(), {}
    while True:
        time.sleep(1)
        daemon.alive()
        found, faults = judge(daemon, relays)
        assert not faults, faults
        for f in found:
            if f.faults:
                broken.setdefault(f.relay.seed, str(f))
        state = [(f.missing, f.proofs, f.gaps) for f in found]
        if state != last:
            last, changed = state, time.monotonic()
        waiting = [f for f in found if (f.relay.tame and not f.complete) or (f.relay.whole and f.missing)]
        # Quiet for so long that every retry of the others has happened once more.
        if (time.monotonic() - changed > 6 and not waiting) or time.monotonic() > deadline:
            for f in waiting:
                broken.setdefault(f.relay.seed, f"NOT {'COMPLETE though tame' if f.relay.tame else 'ALL HERE though whole'}: {f}")
            return found, broken


def test_nothing_is_lost_without_a_word(world: World, request: pytest.FixtureRequest) -> None:
    seeds = chosen(request.config)
    for start in range(0, len(seeds), RELAYS_AT_ONCE):
        relays = world.farm.seeds(seeds[start:start + RELAYS_AT_ONCE])
        daemon = world.daemon(*relays, name=f"d{start}")
        daemon.set("synchronizer", retry_max="1s", idle_timeout="700ms", sessions_clearnet=200, live_max=1000)
        daemon.set("network", connects_per_second=1000, upgrade_timeout="1s")
        daemon.start()
        found, broken = settled(daemon, relays, patience=60 + len(relays) * 0.5)
        servable = sum(f.servable for f in found)
        missing = sum(f.missing for f in found)
        untame = sum(not f.relay.whole for f in found)
        print(f"{len(found)} seeds: {servable} servable sightings, {missing} missing (declared) at {untame} relays that are not whole; "
              f"requests {world.farm.totals()['requests_total']}")
        assert not broken, "\n".join(broken.values()) + "\nseeds: " + " ".join(map(str, sorted(broken))) + "\n" + daemon.log(20)
        assert missing < servable / 2, "nearly everything is declared instead of archived"
        daemon.stop()


def test_caps_and_restarts_make_no_difference(world: World) -> None:
    """The same data behind different limits and orders of ties, once with restarts in mid-walk: the same events, the same proof."""
    mint = {"n": 800, "seed": 21, "times": "bursty", "kinds": "1,7,30023", "content": "5-50"}
    relays = world.farm.add(*({"cap": cap, "ties": ties, "reply_delay_ms": 5, "data": [{"mint": mint}]}
                              for cap in (7, 30, 100, 500, 5000) for ties in ("id", "arrival_desc")))
    daemon = world.daemon(*relays).start()
    for _ in range(4):
        time.sleep(0.4)
        daemon.stop()
        daemon.start()
    daemon.complete(relays)
    with daemon.archive().session() as cursor:
        found = [examine(cursor, r) for r in relays]
    assert all(not f.faults and f.complete for f in found), "\n".join(map(str, found))
    daemon.stop()


def test_requests_are_bounded(world: World) -> None:
    """At most what the protocol notes allow: 2 N / cap + 64 (bursts + 1) + 200; and bytes of events at most 1.10 of what is distinct."""
    ordinary, dense, deaf = world.farm.add(
        {"cap": 500, "data": [{"mint": {"n": 20000, "seed": 31, "times": "bursty", "kinds": "1,7,0,6"}}]},
        {"cap": 50, "data": [{"mint": {"n": 1000, "seed": 32, "times": "dense", "dense": 200, "kinds": "1,7,0,6"}}]},
        {"cap": 50, "ignores_until": True, "data": [{"mint": {"n": 1000, "seed": 33}}]},
    )
    daemon = world.daemon(ordinary, dense, deaf).start()
    daemon.complete([ordinary])
    world.farm.wait_quiet(2)
    record = ordinary.record()
    assert record["requests_total"] <= 1.2 * 20000 / 500 + 20, record["requests_total"]
    assert record["event_bytes"] <= 1.10 * record["distinct_bytes"], record["event_bytes"] / record["distinct_bytes"]
    assert dense.record()["requests_total"] <= 2 * 1000 / 50 + 64 * 2 + 200
    assert deaf.record()["requests_total"] <= 2 * 1000 / 50 + 64 + 200
    with daemon.archive().session() as cursor:
        found = examine(cursor, deaf)
    assert not found.faults and {g.what for g in found.gaps} == {"ignores_until"}, str(found)
    daemon.stop()
