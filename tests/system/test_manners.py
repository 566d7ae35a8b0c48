"""What the operator of a relay sees of us: who we are, few connections, slowly, few subscriptions.  Read from the farm's own log."""
from __future__ import annotations

import time

from conftest import World
from world.process import until


def test_operators_can_live_with_us(world: World) -> None:
    """Several relays on one host, one of which throws us out again and again: with the defaults of the configuration."""
    mint = {"n": 400, "seed": 71, "times": "bursty"}
    paths = [{"n": 1, "path": f"/{name}", "cap": 30, "reply_delay_ms": 10, "data": [{"mint": {**mint, "seed": 71 + i}}]}
             for i, name in enumerate("abcdef")]
    world.farm.next_n = 2
    relays = world.farm.add(*paths, {"cap": 30, "cut": {"after": 40, "how": "reset"}, "data": [{"mint": mint}]})
    daemon = world.daemon(*relays)
    daemon.set("identity", contact="mailto:archive@example.org")
    daemon.set("network", host_connect_interval=None, connects_per_second=None)
    daemon.start()
    until(lambda: sum(r.record()["requests_total"] > 0 for r in relays) == len(relays), 60, "every relay was asked", daemon.alive)
    time.sleep(3)
    agents = {c["agent"] for r in relays for c in r.record()["connections"]}
    assert len(agents) == 1, agents
    agent = agents.pop()
    assert agent.startswith("bigbrotrd/") and agent.endswith("(+mailto:archive@example.org)"), agent
    for relay in (relays[0], relays[-1]):
        host = relay.host_record()
        assert host["open_max"] <= 2, host
        assert host["subscriptions_max"] <= 4, host
        gaps = [b - a for a, b in zip(host["connects"], host["connects"][1:])]
        assert all(gap >= 990 for gap in gaps), f"connections {gaps} ms apart"
    subs = [q["sub"] for r in relays for q in r.record()["requests"]]
    assert all(s and len(s) <= 16 and s.isalnum() and s.islower() for s in subs if not s.isdigit()), subs[:5]
    for relay in relays:
        own = [q["sub"] for q in relay.record()["requests"]]
        assert all("limit" in f for q in relay.record()["requests"] for f in q["filters"]), "a request without limit"
        assert all(f.get("until", 1) > 0 and f.get("since", 1) > 0 for q in relay.record()["requests"] for f in q["filters"])
        assert len(own) == len(set(own)) or relay.record()["connections_total"] > 1, "a subscription id used twice"
    daemon.stop()


def test_failing_relays_are_left_alone_longer_and_longer(world: World) -> None:
    relay, = world.farm.add({"down": True})
    daemon = world.daemon(relay)
    daemon.set("synchronizer", retry_min="300ms", retry_max="1h")
    daemon.start()
    time.sleep(6)
    times = relay.host_record()["connects"]
    assert 2 <= len(times) <= 6, f"{len(times)} attempts in 6 s with a first wait of 0.3 s that doubles"
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert all(b > a for a, b in zip(gaps, gaps[1:])), gaps
    daemon.stop()


def test_who_wants_us_slower_is_asked_slower(world: World) -> None:
    """A relay that takes five questions a second is read to its end, and one without a place for a question beside a live request is
    polled: nothing of that is a gap, and neither is asked again and again what it refused."""
    fast, narrow = world.farm.add(
        {"cap": 20, "rate_limit": {"per_second": 5, "burst": 5}, "data": [{"mint": {"n": 400, "seed": 72}}]},
        {"max_subs": 1, "max_subs_via": "closed", "reply_delay_ms": 900, "data": [{"mint": {"n": 40, "seed": 73}}]})
    daemon = world.daemon(fast, narrow)
    daemon.set("synchronizer", poll_interval="2s", idle_timeout="10s")
    daemon.start()
    until(lambda: narrow.record()["refused"] >= 2, 30, "the seam is refused", daemon.alive)
    daemon.complete([fast, narrow])
    answered = narrow.record()["eoses"]
    until(lambda: narrow.record()["eoses"] >= answered + 3, 30, "it is polled", daemon.alive)
    daemon.complete([fast, narrow])
    assert daemon.archive().query("SELECT reason FROM gap") == []
    live = [q for q in narrow.record()["requests"] if all(f["limit"] == 1 and "until" not in f for f in q["filters"])]
    assert len(live) == 1 and narrow.record()["refused"] == 2, "asked again and again"
    assert fast.record()["refused"] <= 20, "most questions were too early"
    daemon.stop()


def test_many_names_at_one_address(world: World) -> None:
    """Sixty names lead to one machine, which has at most five connections of ours at any time; all are checked, with their documents, and
    read."""
    port, limit = world.farm.ready["ws"], 5
    relay, elsewhere = world.farm.add({"cap": 50, "data": [{"mint": {"n": 30, "seed": 905}}]}, {"data": [{"mint": {"n": 30, "seed": 906}}]})
    names = [f"n{i}.farm-relay.com" for i in range(60)]
    world.farm.dns({name: {"a": [relay.address]} for name in names})
    daemon = world.daemon(*(f"ws://{name}:{port}" for name in names), elsewhere)
    daemon.set("network", address_connections_max=limit, address_connects_per_second=50)
    daemon.set("monitor", enabled="true", interval_clearnet="1h", confirm="1s")
    daemon.start()
    archive = daemon.archive()
    def done() -> bool:
        return archive.value("SELECT count(*) FROM relay_metadata_latest WHERE nip11_name IS NOT NULL") == 61 and archive.value(
            "SELECT count(DISTINCT relay_url) FROM events_relays") == 61
    until(done, 120, "every name was checked and read", daemon.alive)
    host = relay.host_record()
    assert host["open_max"] <= limit, host["open_max"]
    assert len(host["http_requests"]) >= 60, "a document was read for each"
    failed = archive.query("SELECT relay_url, error FROM relay_checks WHERE error <> ''")
    assert not failed, "to wait is no failure"
    assert elsewhere.record()["open"] == 1, "it is followed live: its address is not crowded"
    daemon.stop()
