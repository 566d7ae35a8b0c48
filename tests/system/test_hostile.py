"""Hostile relays among honest ones: the honest ones are archived whole and in time, and the daemon stays small.  Then the live tail,
authentication, and filters: what a conversation with a relay can be."""
from __future__ import annotations

import time
from typing import Any

from conftest import World
from world.archive import assert_exact, examine, findings
from world.farm import Relay
from world.process import give, until

HOSTILE: list[dict[str, Any]] = [
    {"upgrade": "silent"}, {"upgrade": "endless"}, {"upgrade": "wrong_accept"}, {"silent_accept": True}, {"down": True},
    {"eose": "never"}, {"bad_utf8": True}, {"depth_bomb": 400000}, {"huge": {"bytes": 8 << 20}}, {"ping_flood": 20000},
    {"invalid_sig": 1, "invalid_id": 1}, {"drip": {"bytes": 1, "ms": 5}}, {"cut": {"after": 3, "how": "half"}},
    {"cut": {"after": 5, "how": "stall"}}, {"garbage": 5000}, {"binary": 3000}, {"ignores_limit": True, "excess": 1000},
    {"ignores_until": True}, {"duplicates": 1, "outside": 1, "wrong_sub": 1}, {"refuse": {"every": 1, "via": "notice"}},
    {"refuse": {"every": 1}}, {"fragment": 300}, {"close_after_ms": 50}, {"no_pong": True, "eose_only": True},
    {"upgrade": {"status": "301 Moved", "headers": {"Location": "http://127.0.0.1/"}}},
]


def memory_mib(pid: int, what: str = "VmHWM") -> int:
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(what)) >> 10


def test_honest_relays_among_hostile_ones(world: World) -> None:
    mint = {"n": 3000, "seed": 111, "times": "bursty"}
    honest = world.farm.add(*({"cap": 200, "data": [{"mint": {**mint, "seed": 111 + i}}]} for i in range(8)))
    hostile = world.farm.add(*({"cap": 500, "data": [{"mint": {**mint, "seed": 130}}], **quirks} for quirks in HOSTILE for _ in range(4)))
    daemon = world.daemon(*hostile, *honest)
    daemon.set("daemon", memory_max="64MiB")
    daemon.start()
    daemon.complete(honest, timeout=60)
    time.sleep(3)
    daemon.alive()
    for found in findings(daemon.archive(), honest + hostile):
        assert not found.faults, str(found)
    # memory_max is for events, messages and known ids; code, libraries and connections come on top.
    # A sanitized build has terabytes of shadow, and its memory says nothing.
    if memory_mib(daemon.pid, "VmPeak") < 1 << 20:
        assert memory_mib(daemon.pid) < 64 + 96, f"{memory_mib(daemon.pid)} MiB"
    daemon.stop()


def test_what_is_refused_is_counted_and_declared(world: World) -> None:
    """By relay and reason, not one by one; a relay that sends little else is left alone for a day, and its rest declared."""
    data = {"cap": 100, "data": [{"mint": {"n": 400, "seed": 115}}]}
    careless, vandal = world.farm.add({**data, "invalid_sig": 0.1}, {**data, "invalid_sig": 1, "invalid_id": 1})
    daemon = world.daemon(careless, vandal).start()
    daemon.complete([careless])
    archive = daemon.archive()

    def declared() -> bool:
        return archive.value("SELECT count(*) FROM relay_gap WHERE relay_url = %s AND reason = 'invalid_events' AND hi > 1e17", vandal.url) > 0
    until(declared, 20, "the rest of it is a gap", daemon.alive)
    spoiled = careless.record()["events_sent"] - sum(1 for _ in archive.seen_at(careless.url))

    def counted() -> dict[str, int]:
        return dict(archive.query("SELECT reason, events FROM relay_reject WHERE relay_url = %s", careless.url))
    until(lambda: 0 < counted().get("signature", 0) <= spoiled, 10, "refused events are counted", daemon.alive)
    assert set(counted()) == {"signature"}, counted()
    reasons = {row[0] for row in archive.query("SELECT reason FROM relay_reject WHERE relay_url = %s", vandal.url)}
    assert {"signature", "id_mismatch"} <= reasons, reasons
    assert archive.value("SELECT count(*) FROM event_reject") == 0
    daemon.stop()


def test_new_events_arrive_live(world: World) -> None:
    """Seconds behind, not hours; once each, though three relays push the same events."""
    shared = {"n": 100, "seed": 121}
    relays = world.farm.add(*({"data": [{"mint": shared}]} for _ in range(3)))
    daemon = world.daemon(*relays)
    daemon.start()
    daemon.complete(relays)
    until(lambda: all(r["subscriptions"] > 0 for r in world.farm.get("/relays")), 20, "live at every relay", daemon.alive)
    for second in range(3):
        file = world.farm.mint(**{"n": 20, "seed": 200 + second, "times": "one", "from": int(time.time()), "to": int(time.time())})
        ids = [r.publish(file=str(file)) for r in relays][0]
        until(lambda: set(ids) <= daemon.archive().event_ids(), 5, "the new events are there", daemon.alive)
    for r in relays:
        until(lambda: daemon.archive().seen_at(r.url) >= set(ids), 5, f"seen at {r.url}", daemon.alive)
    # A connection that is lost is not a hole: what came meanwhile is fetched.
    file = world.farm.mint(**{"n": 30, "seed": 300, "times": "one", "from": int(time.time()), "to": int(time.time())})
    relays[0].change(no_live=True)
    relays[0].kick()
    late = relays[0].publish(file=str(file))
    until(lambda: set(late) <= daemon.archive().seen_at(relays[0].url), 30, "what came while we were away is there", daemon.alive)
    checks = daemon.status()["run"]["signature_checks"]
    assert checks <= 1.1 * (100 + 60 + 30), f"{checks} signature checks for 190 events"
    daemon.stop()


def test_authentication(world: World) -> None:
    """With a key the relay is answered and archived; without one it is left alone, and said so."""
    data = {"data": [{"mint": {"n": 120, "seed": 131}}]}
    relay, = world.farm.add({**data, "auth": "required", "auth_open": True})
    secret = world.home / "key"
    secret.write_text("1" * 63 + "2\n")
    secret.chmod(0o600)
    give(secret)
    with_key = world.daemon(relay, name="with")
    with_key.set("identity", secret_key_file=secret)
    with_key.start()
    until(lambda: len(with_key.archive().seen_at(relay.url)) == 120, 30, "archived after AUTH", with_key.alive)
    auths = relay.record()["auths"]
    assert auths and all(a["refused"] == "" for a in auths), auths
    with_key.stop()

    without = world.daemon(relay, name="without").start()
    before = len(auths)

    def declared() -> bool:
        with without.archive().session() as cursor:
            found = examine(cursor, relay)
        return {g.what for g in found.gaps} == {"auth"} or without.archive().value(
            "SELECT error FROM relay_sync JOIN relays USING (relay_id) WHERE url = %s", relay.url) == "auth_required"
    until(declared, 20, "it is declared", without.alive)
    assert len(relay.record()["auths"]) == before
    without.stop()


def test_filters_say_what_is_kept(world: World) -> None:
    relay, = world.farm.add({"cap": 40, "data": [{"mint": {"n": 400, "seed": 141, "kinds": "0,1,3,7,30023", "times": "bursty"}}]})
    daemon = world.daemon(relay)
    daemon.extra = "[filter notes]\nkinds = 1\n[filter profiles]\nkinds = 0,3\nnot_kinds = 3\n"
    daemon.start()
    want = {e[0] for e in relay.servable() if e[2] in (0, 1)}
    until(lambda: daemon.archive().event_ids() == want, 30, "the kinds that are wanted", daemon.alive)
    world.farm.wait_quiet(1)
    assert daemon.archive().event_ids() == want
    asked = {k for q in relay.record()["requests"] for f in q["filters"] for k in f.get("kinds", [])}
    assert 7 not in asked and 30023 not in asked
    daemon.stop()


def test_a_relay_that_hides_after_counting(world: World) -> None:
    """Restricted kinds shorten pages: nothing that is shown may be missed, nothing that is hidden may be claimed by a plain walk."""
    relays: list[Relay] = world.farm.add(*(
        {"cap": cap, "hidden_kinds": [4, 1059], "sends_auth": True,
         "data": [{"mint": {"n": 1500, "seed": 150 + cap, "kinds": "1,7,4,1059", "times": "bursty", "run-kind": 4, "run-n": 3 * cap}}]}
        for cap in (20, 50, 100, 300)))
    daemon = world.daemon(*relays).start()

    def whole() -> bool:
        return all(f.missing == 0 and f.proofs for f in findings(daemon.archive(), relays))
    until(whole, 60, "all that is shown is there", daemon.alive)
    world.farm.wait_quiet(1)
    for found in findings(daemon.archive(), relays):
        assert not found.faults, str(found)
        record = found.relay.record()
        # What hides costs no second reading: the model of the walk needs 1.08 to 1.14; measured here: 1.06 to 1.22.
        assert record["event_bytes"] < 1.3 * record["distinct_bytes"], f"{found.relay} was read more than once"
    daemon.stop()


def test_everything_twice_is_once(world: World) -> None:
    """Forty relays with the same events: each event is stored and checked once."""
    relays = world.farm.add(*({"cap": 500, "data": [{"mint": {"n": 1000, "seed": 161}}]} for _ in range(40)))
    daemon = world.daemon(*relays).start()
    daemon.complete(relays)
    assert_exact(daemon.archive(), relays)
    run = daemon.status()["run"]
    assert run["archived"] == 1000
    assert run["signature_checks"] <= 1100
    daemon.stop()
