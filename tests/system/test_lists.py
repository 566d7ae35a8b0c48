"""What files say of relays: a deny list that is read again under load, who wins, what is complained of, and new seeds."""
from __future__ import annotations

import itertools
import time
from pathlib import Path

from conftest import World
from test_finder import begun, finding, mention, state
from test_monitor import secret_file
from test_reload import reload
from world.archive import assert_exact
from world.daemon import Daemon
from world.farm import Relay
from world.process import give, until

SEEDS = itertools.count(7000)
WELL = {"interval_clearnet": "1s", "timeout_max": "3s", "timeout_min": "2s"}


def listed(daemon: Daemon, key: str, *lines: str) -> Path:
    path = daemon.home / key
    path.write_text("".join(f"{line}\n" for line in ("# of a test", *lines)))
    path.chmod(0o644)
    give(path)
    return path


def states(daemon: Daemon) -> dict[str, int]:
    return daemon.status()["relays"]["by_state"]


def fresh(relay: Relay, n: int) -> list[str]:
    """New events, which it pushes to who follows it."""
    now = int(time.time())
    return relay.publish(mint={"n": n, "seed": next(SEEDS), "from": now - 9, "to": now - 1})


def lists_of(world: World, *relays: Relay) -> Daemon:
    daemon = finding(world, *(r.wss for r in relays))
    daemon.set("network", tls_ca_file=world.farm.ca)
    daemon.set("finder", deny_file=listed(daemon, "deny_file"), allow_file=listed(daemon, "allow_file"))
    return daemon


def test_a_deny_list_under_load(world: World) -> None:
    """Live tails, checks and probes at work: what comes to be denied is disconnected at once and sees nobody again, nobody else notices
    it, and what is allowed again comes back.  By URL, by host, by the address behind a name, by what is below a domain."""
    relays = world.farm.add(*({"data": [{"mint": {"n": 60, "seed": 900 + i}}]} for i in range(8)))
    candidate, = world.farm.add({"data": [{"mint": {"n": 10, "seed": 950}}]})
    by_url, by_host, by_address, *others = relays
    daemon = lists_of(world, *relays)
    daemon.set("monitor", enabled="true", **WELL)
    archive = begun(daemon)
    daemon.complete(relays, tls=True)
    until(lambda: states(daemon)["live"] == len(relays), 30, "all are followed", daemon.alive)
    undisturbed = {r.url: r.record()["connections_total"] for r in others}

    def denied(which: list[Relay]) -> None:
        """They are left at once, and while the others' events come nobody dials them."""
        until(lambda: all(r.record()["open"] == 0 for r in which), 5, "they are disconnected", daemon.alive)
        assert states(daemon)["denied"] == len(which), states(daemon)
        connects = [r.host_record()["connects_total"] for r in which]
        checks = daemon.status()["monitor"]["checks"]
        mention(archive, candidate.wss, author="0102030405060708")
        new = {i for r in others for i in fresh(r, 3)}
        until(lambda: daemon.status()["monitor"]["checks"] > checks + 2 * len(others), 20, "the others are checked", daemon.alive)
        until(lambda: archive.value("SELECT count(*) FROM events WHERE id = ANY (%s)", list(new)) == len(new), 20, "and followed", daemon.alive)
        until(lambda: state(archive, candidate.wss)[:1] == ("denied",), 10, "nor is a candidate probed", daemon.alive)
        assert [r.host_record()["connects_total"] for r in which] == connects
        assert {r.url: r.record()["connections_total"] for r in others} == undisturbed
        assert candidate.host_record()["connects_total"] == 0

    listed(daemon, "deny_file", by_url.wss + "/ # in any spelling", by_host.host, f"{by_address.address}/32", candidate.host)
    assert "relays that are denied: 2, before 0" in reload(daemon, "applied")  # the third is known when its name was resolved
    denied([by_url, by_host, by_address])
    shown = daemon.bigbrotr("relay", by_host.wss).stdout
    assert f"\nstate          denied\ndenied by      {daemon.home / 'deny_file'}:3\n" in shown and "next visit" not in shown, shown
    assert "3 denied" in daemon.bigbrotr("status").stdout

    listed(daemon, "deny_file", "*.farm-relay.com")
    listed(daemon, "allow_file", *(r.host for r in others))
    reload(daemon, "applied")
    denied([by_url, by_host, by_address])
    assert archive.value("SELECT count(*) FROM events_relays WHERE relay_url = %s", by_url.wss) == 60, "what is archived stays"

    daemon.kill()
    daemon.start()
    until(lambda: states(daemon)["live"] == len(others), 30, "the others are followed after a restart", daemon.alive)
    undisturbed = {r.url: r.record()["connections_total"] for r in others}
    denied([by_url, by_host, by_address])

    listed(daemon, "deny_file")
    listed(daemon, "allow_file")
    late = fresh(by_host, 5)
    reload(daemon, "applied")
    until(lambda: states(daemon)["live"] == len(relays) + 1, 30, "all come back, and the candidate is a relay", daemon.alive)
    assert len(late) == 5
    daemon.complete([*relays, candidate], tls=True)
    assert_exact(archive, [*relays, candidate], tls=True)
    assert {r.url: r.record()["connections_total"] for r in others} == undisturbed
    daemon.stop()


def test_nothing_is_published_to_who_is_denied(world: World) -> None:
    relay, target = world.farm.add({"data": [{"mint": {"n": 5, "seed": 970}}]}, {"write": {"ok": True}})
    daemon = lists_of(world, relay)
    daemon.set("monitor", enabled="true", **WELL)
    daemon.set("publisher", relays=target.wss)
    secret_file(world, daemon)
    listed(daemon, "deny_file", target.host)
    daemon.start()
    until(lambda: daemon.status()["monitor"]["checks"] >= 3, 30, "checks are made", daemon.alive)
    assert f"{target.wss} is not published to: it stands in [finder] deny_file" in daemon.log(500)
    assert target.host_record()["connects_total"] == 0 and daemon.status()["monitor"]["waiting_to_be_published"] == 0
    listed(daemon, "deny_file")
    reload(daemon, "applied")
    until(lambda: len(target.record()["writes"]) > 0, 30, "it is published to", daemon.alive)
    listed(daemon, "deny_file", f"{target.address}/32")
    reload(daemon, "applied")
    until(lambda: target.record()["open"] == 0, 5, "it is left", daemon.alive)
    daemon.stop()


def test_bad_lines_are_all_told_and_nothing_changes(world: World) -> None:
    daemon = lists_of(world)
    path = listed(daemon, "deny_file", "relay.example.com", "10.1.2.3/8", "https://relay.example.com", "relay.example.com:8080")
    done = daemon.run("--check-config")
    said = done.stderr
    assert done.returncode == 2 and said.count(f"{path}:") == 3, said
    for told in (f'{path}:3: "10.1.2.3/8" has bits set behind its prefix; is 10.0.0.0/8 meant?', f"{path}:4: ", f"{path}:5: "):
        assert told in said, said
    listed(daemon, "deny_file", "relay.example.com")
    assert daemon.run("--check-config").returncode == 0
    daemon.start()
    listed(daemon, "deny_file", "network:onion")
    assert f'{path}:2: "network:onion" names no network' in reload(daemon, "refused")
    path.unlink()
    assert "deny_file" in reload(daemon, "refused")
    daemon.set("finder", deny_file="")
    daemon.write_ini()
    reload(daemon, "applied")
    daemon.stop()


def test_seeds_and_priority_are_read_again(world: World) -> None:
    first, second = world.farm.add(*({"data": [{"mint": {"n": 20, "seed": 960 + i}}]} for i in range(2)))
    daemon = world.daemon(first)
    daemon.start()
    daemon.complete([first])
    daemon.seeds(first.url, second.url)
    (daemon.home / "priority.txt").write_text(f"{second.url}\n")
    daemon.set("synchronizer", sessions_clearnet=1, live_max=0, poll_interval="1h")
    daemon.write_ini()
    reload(daemon, "applied")
    daemon.complete([first, second])
    daemon.stop()
