"""The monitor over a farm: who is archived, what is remembered, what is published, and whose fault it is.

Times are short (intervals of a second); what is asserted is order and number, never how long something took."""
from __future__ import annotations

import json
import random
import subprocess
import time
from typing import Any

import pytest

from conftest import World
from world.archive import Archive
from world.daemon import Daemon
from world.farm import Relay
from world.process import give, until
from world.servers import node_tool

SECRET = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"
TO_BE_FOUND = {"cap": 50, "data": [{"mint": {"n": 30, "seed": 900}}]}


def monitored(world: World, *relays: Relay | str, **keys: Any) -> Daemon:
    daemon = world.daemon(*relays)
    daemon.set("monitor", **{"enabled": "true", "interval_clearnet": "1h", "confirm": "1s", "timeout_min": "2s",
                             "timeout_max": "3s", **keys})
    return daemon


def health(archive: Archive, url: str) -> dict[str, Any]:
    rows = archive.query("SELECT h.state, h.openable, h.readable, h.error, h.failures_in_row FROM relay_health h WHERE relay_url = %s",
                         (url,))
    return dict(zip(("state", "openable", "readable", "error", "failures"), rows[0])) if rows else {}


def checks(archive: Archive, url: str) -> int:
    return archive.value("SELECT count(*) FROM relay_check c JOIN relays r ON r.relay_id = check_relay(c.id) WHERE r.url = %s", (url,))


def secret_file(world: World, daemon: Daemon) -> None:
    path = world.home / "secret"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    give(path)
    daemon.set("identity", secret_key_file=path)


def test_what_a_check_leaves_behind(world: World) -> None:
    relay, = world.farm.add({**TO_BE_FOUND, "nip11": {"name": "kept", "supported_nips": [1, 11]}})
    world.farm.dns({"farm-relay.com": {"ns": ["ns1.name-host.com"]}})
    daemon = monitored(world, relay.wss)
    daemon.set("network", tls_ca_file=world.farm.ca)
    daemon.start()
    archive = daemon.archive()
    until(lambda: archive.value("SELECT count(*) FROM relay_checks WHERE readable") > 0, 20, "it is checked", daemon.alive)
    row, = archive.query("SELECT dns_ttl, tls_ms, nip11_name, dns->'ns' FROM relay_checks c JOIN relay_metadata_latest m USING (relay_url) LIMIT 1")
    assert row[0] is not None and row[0] > 0 and row[1] is not None and row[2] == "kept" and row[3] == ["ns1.name-host.com"], row
    daemon.stop()


def test_who_is_down_is_not_read_and_who_comes_back_is(world: World) -> None:
    up, down = world.farm.add(TO_BE_FOUND, {**TO_BE_FOUND, "down": True})
    daemon = monitored(world, up, down, interval_clearnet="1s", retry_max="1s")
    daemon.start()
    daemon.complete([up])
    archive = daemon.archive()
    until(lambda: health(archive, down.url).get("failures", 0) >= 2, 30, "it is known to be down", daemon.alive)
    assert health(archive, down.url)["readable"] is not True
    assert archive.value("SELECT count(*) FROM relay_sync s JOIN relays r USING (relay_id) WHERE r.url = %s AND s.failures > 0",
                         (down.url,)) == 0, "nobody tried to read it"
    down.change(down=False)
    daemon.complete([up, down])
    # What a check has found starts the walk; it is written a moment later.
    until(lambda: health(archive, down.url)["state"] == "healthy", 10, "that it is back is written", daemon.alive)
    status = daemon.status()["monitor"]
    assert status["checked"] == 2 and status["readable"] == 2 and status["failing"] == 0
    shown = daemon.bigbrotr("relay", down.url)
    assert "health         healthy: opens yes, reads yes, writes not tested" in shown.stdout, shown.stdout
    daemon.stop()


def test_readable_is_required_unless_it_is_not(world: World) -> None:
    relay, = world.farm.add({"auth": "required"})
    daemon = monitored(world, relay)
    daemon.start()
    archive = daemon.archive()
    until(lambda: health(archive, relay.url).get("readable") is False, 30, "it was checked", daemon.alive)
    assert health(archive, relay.url) == {"state": "healthy", "openable": True, "readable": False, "error": "auth_required",
                                          "failures": 0}
    asked = relay.record()["connections_total"]
    assert archive.value("SELECT count(*) FROM relay_sync WHERE failures > 0") == 0
    daemon.stop()
    daemon.set("synchronizer", require_readable="false")
    daemon.start()
    until(lambda: archive.value("SELECT count(*) FROM relay_sync WHERE failures > 0") == 1, 30, "it was tried", daemon.alive)
    assert relay.record()["connections_total"] > asked
    daemon.stop()


def test_a_live_session_is_asked_and_nobody_is_dialled(world: World) -> None:
    relay, = world.farm.add(TO_BE_FOUND)
    daemon = monitored(world, relay, interval_clearnet="1s", compute="open read")
    daemon.start()
    archive = daemon.archive()
    until(lambda: archive.value("SELECT count(*) FROM relay_check WHERE flags & 64 <> 0") >= 3, 30, "asked through the session",
          daemon.alive)
    assert relay.record()["connections_total"] == 2, "one check of its own, then the visit"
    assert archive.value("SELECT count(*) FROM relay_check WHERE flags & 64 <> 0 AND (rtt_open IS NULL OR rtt_read IS NULL)") == 0
    assert archive.value("SELECT uptime_percentage FROM relay_uptime") == 100
    daemon.stop()


def test_a_first_failure_is_looked_at_twice(world: World) -> None:
    relay, = world.farm.add(TO_BE_FOUND)
    daemon = monitored(world, relay, interval_clearnet="1s", retry_max="1s")
    daemon.set("synchronizer", enabled="false")
    daemon.start()
    archive = daemon.archive()
    until(lambda: checks(archive, relay.url) >= 1, 30, "it was checked", daemon.alive)
    relay.change(down=True)
    until(lambda: health(archive, relay.url)["failures"] >= 1, 30, "it is down", daemon.alive)
    counted = "SELECT flags & 128 <> 0 FROM relay_check WHERE flags & 3 = 1 ORDER BY id LIMIT 2"
    assert [row[0] for row in archive.query(counted)] == [False, True]
    daemon.stop()


DEATHS = ["refused", "silent", "reset", "404", "wrong_accept", "mute", "nxdomain", "servfail", "auth", "closed"]
FOUND = {
    "refused": "connect_refused", "silent": "timeout", "reset": "disconnected", "404": "ws_refused", "wrong_accept": "ws_protocol",
    "mute": "idle", "nxdomain": "dns_not_found", "servfail": "dns_failed", "auth": "auth_required", "closed": "blocked",
}


def dead(world: World, how: str, i: int) -> str:
    """A relay that is dead in this way; its URL."""
    profile = {"silent": {"upgrade": "silent"}, "reset": {"upgrade": "reset"}, "404": {"upgrade": {"status": "404 Not Found"}},
               "wrong_accept": {"upgrade": "wrong_accept"}, "mute": {"eose": "never"}, "auth": {"auth": "required"},
               "closed": {"refuse": {"every": 1, "via": "closed", "text": "blocked: not you"}}}.get(how)
    if profile is not None:
        return world.farm.add(profile)[0].url
    if how == "refused":
        return f"ws://127.77.{i >> 8}.{i & 255}:4321"
    name = f"{how}{i}.farm-relay.com"
    world.farm.dns({name: {"fault": how}})
    return f"ws://{name}:7777"


def test_a_sweep_classifies_exactly(world: World) -> None:
    """300 relays, 60 % of them dead in all the ways relays die."""
    good = world.farm.add(*({"cap": 20, "data": [{"mint": {"n": 10, "seed": 901}}]} for _ in range(120)))
    ways = [DEATHS[i % len(DEATHS)] for i in range(180)]
    urls = [dead(world, how, i) for i, how in enumerate(ways)]
    expected: dict[str, int] = {"": len(good)}
    for how in ways:
        expected[FOUND[how]] = expected.get(FOUND[how], 0) + 1
    mixed = [*good, *urls]
    random.Random(7).shuffle(mixed)
    daemon = monitored(world, *mixed, timeout_max="2500ms")
    daemon.set("network", upgrade_timeout="10s", dns_timeout="500ms")
    daemon.start()
    archive = daemon.archive()
    newest = "SELECT coalesce(e.name, ''), count(*) FROM (SELECT DISTINCT ON (check_relay(id)) * FROM relay_check" \
             " ORDER BY check_relay(id), id DESC) c LEFT JOIN check_error e USING (error_id) GROUP BY 1"
    until(lambda: sum(dict(archive.query(newest)).values()) == 300, 60, "all were checked", daemon.alive)
    assert dict(archive.query(newest)) == expected
    daemon.complete(good[:3])
    status = daemon.status()
    assert status["monitor"]["readable"] == len(good)
    # What is ours or the path's to blame is not known of a relay: the resolver that failed.
    assert status["monitor"]["checked"] == 300 - ways.count("servfail")
    assert not status["monitor"]["outage"]
    daemon.stop()


def test_kill_in_mid_sweep(world: World, pytestconfig: pytest.Config) -> None:
    relays = world.farm.add(*({"reply_delay_ms": 20 * (i % 10), "data": [{"mint": {"n": 5, "seed": 902}}]} for i in range(60)))
    daemon = monitored(world, *relays, checks_clearnet=8, compute="open read")
    daemon.set("synchronizer", enabled="false")
    moments = random.Random(11)
    for _ in range(max(3, pytestconfig.getoption("--kills") // 5)):
        daemon.start()
        before = world.farm.totals()["requests_total"]
        until(lambda: world.farm.totals()["requests_total"] > before or checked(daemon.archive()) == 60, 30, "it checks", daemon.alive)
        time.sleep(moments.uniform(0, 0.4))
        daemon.kill()
    daemon.start()
    archive = daemon.archive()
    until(lambda: checked(archive) == 60, 60, "all were checked", daemon.alive)
    daemon.stop()
    daemon.set("monitor", enabled="false")
    daemon.start()
    # Due again in an hour: whatever was written is not repeated.
    assert archive.query("SELECT check_relay(id), count(*) FROM relay_check GROUP BY 1 HAVING count(*) > 1") == []
    assert archive.value("SELECT count(*) FROM relay_monitor m LEFT JOIN relay_check c ON c.id = m.check_id WHERE c.id IS NULL"
                         " OR check_at(c.id) NOT BETWEEN m.last_check_at_ms / 1000 - 5 AND m.last_check_at_ms / 1000"
                         " OR m.next_at_ms < m.last_check_at_ms + 50 * 60 * 1000") == 0
    assert archive.value("SELECT count(*) FROM relay_tally WHERE checks <> 1") == 0
    daemon.stop()


def checked(archive: Archive) -> int:
    return archive.value("SELECT count(*) FROM relay_monitor WHERE check_id IS NOT NULL")


def test_when_all_seem_down_it_is_us(world: World) -> None:
    relays = world.farm.add(*({"data": [{"mint": {"n": 3, "seed": 903}}]} for _ in range(25)))
    daemon = monitored(world, *relays, interval_clearnet="3s", retry_max="3s", confirm="2s", alert_window="6s",
                       compute="open read")
    daemon.set("synchronizer", enabled="false")
    daemon.start()
    archive = daemon.archive()
    until(lambda: archive.value("SELECT count(*) FROM relay_monitor WHERE readable") == 25, 30, "all are well", daemon.alive)
    time.sleep(6.5)  # a window without the first sweep
    for relay in relays:
        relay.change(down=True)
    until(lambda: daemon.status()["monitor"]["outage"], 30, "the outage is seen", daemon.alive)
    seen = daemon.status()["monitor"]["checks"]
    until(lambda: daemon.status()["monitor"]["checks"] > seen + 50, 60, "checks go on", daemon.alive)
    assert archive.value("SELECT count(*) FROM relay_monitor WHERE NOT readable OR failures > 0") == 0, "nobody is blamed"
    assert daemon.log(10000).count("it is probably us") == 1
    for relay in relays:
        relay.change(down=False)
    until(lambda: not daemon.status()["monitor"]["outage"], 60, "the outage is over", daemon.alive)
    assert daemon.log(10000).count("can be reached again") == 1
    daemon.stop()


def published(url: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in node_tool("tools/fetch-all.js", url).splitlines() if line]


def test_what_is_published_is_taken_and_verified_by_others(world: World) -> None:
    (world.home / "empty.jsonl").write_text("")
    foreign = world.node("third-party-relay/serve.js", str(world.home / "empty.jsonl"))
    to = f"ws://127.9.0.1:{foreign.ready['port']}"
    document = {"name": "one", "supported_nips": [1, 11, 9], "limitation": {"auth_required": False, "payment_required": False,
                "restricted_writes": True, "min_pow_difficulty": 0}, "tags": ["cats", "dogs"], "language_tags": ["en-419", "*"]}
    good, gone = world.farm.add({**TO_BE_FOUND, "nip11": document}, {"down": True})
    daemon = monitored(world, good, gone, interval_clearnet="2s")
    secret_file(world, daemon)
    daemon.set("publisher", relays=to, name="farm monitor")
    daemon.start()
    until(lambda: len(published(to)) == 4, 60, "four events", daemon.alive)
    archive = daemon.archive()
    until(lambda: archive.value("SELECT count(*) FROM relay_monitor WHERE published_at_ms > 0") == 1, 30, "it is remembered",
          daemon.alive)
    seen = checks(archive, good.url)
    until(lambda: checks(archive, good.url) >= seen + 2, 30, "it was checked again", daemon.alive)
    daemon.stop()
    daemon.start()
    seen = checks(archive, good.url)
    until(lambda: checks(archive, good.url) >= seen + 2, 30, "and in another run", daemon.alive)
    daemon.stop()
    events = {e["kind"]: e for e in published(to)}
    assert len(published(to)) == 4 and sorted(events) == [0, 10002, 10166, 30166], "nothing twice: nothing has changed"
    verdict = json.loads(node_tool("tools/verify-events.js", data="".join(json.dumps(e) + "\n" for e in events.values())))
    assert verdict["good"] == 4 and verdict["bad"] == 0
    tags = [t for t in events[30166]["tags"] if not t[0].startswith("rtt-") and t[0] != "N"]
    assert tags == [["d", good.url + "/"], ["n", "clearnet"], ["R", "!auth"], ["R", "writes"], ["R", "!pow"], ["R", "!payment"],
                    ["t", "cats"], ["t", "dogs"], ["l", "en", "ISO-639-1"]]
    assert {t[1] for t in events[30166]["tags"] if t[0] == "N"} >= {"1", "9", "11"}
    assert {t[0] for t in events[30166]["tags"] if t[0].startswith("rtt-")} >= {"rtt-open", "rtt-read"}
    assert all(len(t) == 2 and t[1].isdigit() for t in events[30166]["tags"] if t[0].startswith("rtt-"))
    assert json.loads(events[30166]["content"]) == document
    assert ["frequency", "86400"] in events[10166]["tags"] and ["timeout", "3000"] in events[10166]["tags"]
    assert {t[1] for t in events[10166]["tags"] if t[0] == "c"} == {"open", "read", "write", "auth", "nip11", "dns", "ssl"}
    assert json.loads(events[0]["content"])["name"] == "farm monitor"
    assert events[10002]["tags"] == [["r", to + "/", "write"]]


def test_relays_that_do_not_take_what_is_published(world: World) -> None:
    """One is down and comes back, one says later, one says nothing, one cuts: each is tried again after a while, in its own pace, and
    neither checks nor the one that takes all wait for them."""
    good, down, busy, silent, cutting, fine = world.farm.add(
        TO_BE_FOUND, {"down": True}, {"write": {"ok": False, "text": "rate-limited: slow down"}}, {"write": {"via": "silent"}},
        {"write": {"via": "drop"}}, {"write": {}})
    daemon = monitored(world, good, interval_clearnet="1s", compute="open read")
    secret_file(world, daemon)
    daemon.set("publisher", relays=" ".join(r.url for r in (down, busy, silent, cutting, fine)), retry_max="2s")
    daemon.start()
    archive = daemon.archive()

    def kinds(relay: Relay) -> list[int]:
        return sorted(e["kind"] for e in relay.record()["writes"])
    until(lambda: kinds(fine) == [0, 10002, 10166, 30166], 60, "one takes all", daemon.alive)
    until(lambda: down.host_record()["connects_total"] >= 3 and len(busy.record()["writes"]) >= 3 and
          len(cutting.record()["writes"]) >= 3, 60, "the others are tried again", daemon.alive)
    seen = checks(archive, good.url)
    until(lambda: checks(archive, good.url) >= seen + 3, 30, "checks go on", daemon.alive)
    for relay in (down, cutting):
        times = relay.host_record()["connects"]
        assert all(b - a >= 1990 for a, b in zip(times, times[1:])), f"{times}: two seconds between tries"
    assert len({e["id"] for e in busy.record()["writes"]}) == 1, "the same event, until it is taken"
    assert busy.host_record()["connects_total"] == 1, "and over the same connection"
    until(lambda: len(silent.record()["writes"]) >= 2, 60, "after 20 seconds without an answer it is tried again", daemon.alive)
    assert len({e["id"] for e in silent.record()["writes"]}) == 1
    assert daemon.log(10000).count("cannot be published to, trying again") == 4, "each is told once"
    down.change(down=False, write={})
    for relay in (busy, cutting):
        relay.change(write={})
    for relay in (down, busy, cutting):
        until(lambda r=relay: set(kinds(r)) == {0, 10002, 10166, 30166}, 60, "it has all in the end", daemon.alive)
    assert kinds(down) == kinds(fine) == [0, 10002, 10166, 30166]
    daemon.stop()


def test_dry_run_prints_and_sends_nothing(world: World) -> None:
    good, target = world.farm.add(TO_BE_FOUND, {})
    daemon = monitored(world, good)
    secret_file(world, daemon)
    daemon.set("publisher", relays=target.url)
    process = subprocess.Popen(daemon.command("--dry-run"), env=daemon.env, cwd=daemon.home, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=daemon.log_path.open("ab"), text=True)
    daemon.process = process  # type: ignore[assignment]
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert sorted(json.loads(line)["kind"] for line in lines) == [0, 10002, 10166, 30166]
    assert json.loads(node_tool("tools/verify-events.js", data="".join(lines)))["good"] == 4
    daemon.stop()
    assert target.record()["connections_total"] == 0


def test_publishing_needs_a_key(world: World) -> None:
    daemon = world.daemon()
    daemon.set("publisher", relays="wss://relay.example.org", kinds="30166 7")
    daemon.set("monitor", compute="open reed")
    done = daemon.run("--check-config")
    assert done.returncode == 2
    assert "secret_key_file" in done.stderr and '"reed" is no part of a check' in done.stderr and '"7" is none of' in done.stderr
    daemon.set("publisher", relays="", kinds="30166")
    daemon.set("monitor", compute="open read")
    assert daemon.run("--dry-run").returncode == 2


def test_no_more_relays_than_can_be_published_to(world: World) -> None:
    daemon = world.daemon()
    secret_file(world, daemon)
    many = [f"wss://r{i}.example.org" for i in range(33)]
    daemon.set("publisher", relays=" ".join(many[:32]))
    assert daemon.run("--check-config").returncode == 0
    daemon.set("publisher", relays=" ".join(many))
    done = daemon.run("--check-config")
    assert done.returncode == 2 and "33 relays are named, at most 32" in done.stderr, done.stderr


def test_operators_can_live_with_checks(world: World) -> None:
    """Several relays on one host, checked and read at the same time: two connections, and a second between them."""
    paths = [{"n": 1, "path": f"/{name}", "data": [{"mint": {"n": 20, "seed": 904}}]} for name in "abcd"]
    world.farm.next_n = 2
    relays = world.farm.add(*paths)
    daemon = monitored(world, *relays, interval_clearnet="3s", timeout_max="10s")
    daemon.set("network", host_connect_interval="1s", connects_per_second=None)
    daemon.start()
    archive = daemon.archive()
    until(lambda: all(checks(archive, r.url) >= 2 for r in relays), 90, "each was checked twice", daemon.alive)
    host = relays[0].host_record()
    assert host["http_requests"], "documents were read"
    assert {h["accept"] for h in host["http_requests"]} == {"application/nostr+json"}
    assert host["open_max"] <= 2, host
    gaps = [b - a for a, b in zip(host["connects"], host["connects"][1:])]
    assert all(gap >= 990 for gap in gaps), f"connections {gaps} ms apart"
    daemon.stop()


def test_hosts_that_have_one_connection(world: World) -> None:
    """With host_connections_max = 1 a document is read all the same: when the WebSocket is closed, and a second later."""
    relay, down = world.farm.add({**TO_BE_FOUND, "nip11": {"name": "one after the other"}}, {"upgrade": {"status": "404 Not Found"}})
    daemon = monitored(world, relay, down, interval_clearnet="3s", timeout_max="10s")
    daemon.set("network", host_connections_max=1, host_connect_interval="1s")
    daemon.set("synchronizer", enabled="false")
    daemon.start()
    archive = daemon.archive()
    until(lambda: all(checks(archive, r.url) >= 2 for r in (relay, down)), 60, "both were checked twice", daemon.alive)
    assert archive.value("SELECT nip11_name FROM relay_metadata_latest WHERE relay_url = %s", (relay.url,)) == "one after the other"
    for host in (relay.host_record(), down.host_record()):
        assert host["open_max"] == 1 and host["http_requests"], host
        gaps = [b - a for a, b in zip(host["connects"], host["connects"][1:])]
        assert all(gap >= 990 for gap in gaps), f"connections {gaps} ms apart"
    daemon.stop()
