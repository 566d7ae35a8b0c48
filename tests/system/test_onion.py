"""Tor: onion names go to the proxy and nowhere else, each relay has a circuit of its own, and a dead proxy is never a relay's fault.

The proxy is a SOCKS5 server that is not ours; it maps onion names to relays of the farm.  A private Tor network is a matter for a test
by hand (test_real_tor.py).
"""
from __future__ import annotations

import base64
import hashlib
import json
import time
import urllib.request

from conftest import World
from world.archive import examine
from world.farm import Relay
from world.process import until
from world.servers import free_port


def onion(seed: int) -> str:
    """A valid v3 address: base32(key, checksum, version)."""
    key = hashlib.sha256(b"%d" % seed).digest()
    checksum = hashlib.sha3_256(b".onion checksum" + key + b"\x03").digest()[:2]
    return base64.b32encode(key + checksum + b"\x03").decode().lower() + ".onion"


def relays_behind(world: World, n: int) -> tuple[list[Relay], list[str], list[str]]:
    relays = world.farm.add(*({"cap": 100, "data": [{"mint": {"n": 250, "seed": 91 + i}}]} for i in range(n)))
    names = [onion(i) for i in range(n)]
    urls = [f"ws://{name}:{world.farm.ready['ws']}" for name in names]
    return relays, names, urls


def complete(daemon, relays: list[Relay], urls: list[str]) -> bool:
    with daemon.archive().session() as cursor:
        return all(examine(cursor, r, url).complete for r, url in zip(relays, urls))


def test_onion_relays_through_a_foreign_proxy(world: World) -> None:
    relays, names, urls = relays_behind(world, 3)
    maps = [word for name, r in zip(names, relays) for word in ("--map", f"{name}={r.address}")]
    unknown = onion(99)
    proxy = world.node("tools/socks5.js", *maps)
    daemon = world.daemon(*urls, f"ws://{unknown}")
    daemon.set("network", proxy_tor=f"127.0.0.1:{proxy.ready['port']}")
    daemon.start()
    until(lambda: complete(daemon, relays, urls), 60, "the onion relays are complete", daemon.alive)
    with urllib.request.urlopen(f"http://127.0.0.1:{proxy.ready['log']}/") as reply:
        asked = json.load(reply)
    assert {a["name"] for a in asked} == {*names, unknown}, "names go to the proxy as they are"
    circuits = {a["name"]: {(b["user"], b["password"]) for b in asked if b["name"] == a["name"]} for a in asked}
    first = [min(circuits[name]) for name in names]
    assert len(set(first)) == len(names), "every relay has a circuit of its own"
    assert all(user and not user.startswith("<torS0X>") for user, _ in first)
    assert not [q for q in world.farm.questions() if "onion" in q["name"]], "no onion name ever meets DNS"
    assert daemon.archive().value("SELECT count(*) FROM relays WHERE network = 'tor'") == 4
    daemon.stop()


def test_a_dead_proxy_is_nobodys_fault(world: World) -> None:
    relays, names, urls = relays_behind(world, 2)
    ordinary, = world.farm.add({"data": [{"mint": {"n": 100, "seed": 95}}]})
    port = free_port()
    daemon = world.daemon(*urls, ordinary)
    daemon.set("network", proxy_tor=f"127.0.0.1:{port}")
    daemon.start()
    daemon.complete([ordinary])
    time.sleep(2)
    failures = daemon.archive().query("SELECT r.url, s.failures FROM relays r JOIN relay_sync s USING (relay_id) WHERE r.network = 'tor'")
    assert all(n == 0 for _, n in failures), failures
    maps = [word for name, r in zip(names, relays) for word in ("--map", f"{name}={r.address}")]
    world.node("tools/socks5.js", "--port", str(port), *maps)
    # A proxy that was down is asked again every 10 s, and wakes all who wait for it: by themselves they would wait for minutes.
    until(lambda: complete(daemon, relays, urls), 40, "they go on by themselves", daemon.alive)
    daemon.stop()


def test_without_a_proxy_onion_relays_wait(world: World) -> None:
    _, _, urls = relays_behind(world, 1)
    daemon = world.daemon(*urls)
    daemon.set("network", proxy_tor="none")
    daemon.start()
    until(lambda: daemon.archive().value("SELECT count(*) FROM relays") == 1, 20, "seeded", daemon.alive)
    time.sleep(1)
    rows = daemon.archive().query("SELECT failures, error FROM relay_sync")
    assert all(failures == 0 for failures, _ in rows), rows
    assert daemon.status()["relays"]["by_state"]["no_proxy"] == 1
    daemon.stop()
