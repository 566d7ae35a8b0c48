"""The farm itself, judged by a client that is not ours: before anything is said about the daemon, its outside world must be right."""
from __future__ import annotations

import json
import socket
import ssl
import struct

from conftest import World
from world.servers import node_tool


def fetch(url: str, filter_: dict[str, object] | None = None) -> list[dict[str, object]]:
    out = node_tool("tools/fetch-all.js", url, json.dumps(filter_ or {}))
    return [json.loads(line) for line in out.split("\n") if line]


def test_an_ordinary_relay_serves_what_it_says(world: World) -> None:
    relay, = world.farm.add({"cap": 100, "data": [{"mint": {"n": 1000, "seed": 5, "kinds": "1,7", "times": "bursty", "exotic": 0.2}}]})
    got = fetch(relay.url)
    assert {e["id"] for e in got} == {e[0] for e in relay.servable()} and len(got) == 1000
    assert {e["id"] for e in fetch(relay.url, {"kinds": [7]})} == {e[0] for e in relay.servable() if e[2] == 7}
    author = got[0]["pubkey"]
    assert {e["id"] for e in fetch(relay.url, {"authors": [author]})} == {e["id"] for e in got if e["pubkey"] == author}
    record = relay.record()
    assert record["connections_total"] == 3 and record["events_sent"] > 1000
    assert relay.host_record()["subscriptions_max"] == 1


def test_minted_events_are_valid_and_spoiled_ones_are_not(world: World) -> None:
    good = world.farm.mint(n=200, seed=9, exotic=1).read_text()
    assert json.loads(node_tool("tools/verify-events.js", data=good)) == {"good": 200, "bad": 0, "first_bad": ""}
    assert world.farm.mint(n=200, seed=9, exotic=1, tags=4).read_text() == good, "the same seed makes the same events"


def test_hidden_kinds_shorten_pages(world: World) -> None:
    relay, = world.farm.add({"cap": 50, "hidden_kinds": [4], "data": [{"mint": {"n": 300, "seed": 2, "kinds": "1,4"}}]})
    assert {e[2] for e in relay.servable()} == {1}
    assert {e["kind"] for e in fetch(relay.url)} == {1}
    assert len(relay.ids()) == 300
    assert min(r["sent"] for r in relay.record()["requests"]) < 50


def test_names_and_certificates(world: World) -> None:
    good, bad = world.farm.add({}, {"cert": "expired"})
    assert resolve(world, good.host) == good.address
    assert resolve(world, "unknown.example.org") is None
    context = ssl.create_default_context(cafile=str(world.farm.ca))
    for relay, verdict in ((good, ""), (bad, "expired")):
        try:
            with socket.create_connection((relay.address, world.farm.ready["wss"])) as plain:
                with context.wrap_socket(plain, server_hostname=relay.host):
                    said = ""
        except ssl.SSLCertVerificationError as error:
            said = error.verify_message
        assert verdict in said and bool(verdict) == bool(said)


def resolve(world: World, name: str) -> str | None:
    question = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.sendto(question + struct.pack(">HH", 1, 1), ("127.0.0.1", world.farm.ready["dns"]))
        reply = s.recv(512)
    return socket.inet_ntoa(reply[-4:]) if reply[3] & 15 == 0 else None


def test_seeds_are_reproducible(world: World) -> None:
    seeds = list(range(1, 41))
    first, second = world.farm.seeds(seeds), world.farm.seeds(seeds)
    assert [(r.habits, r.cap, r.order, r.hidden_kinds, r.tame) for r in first] == [
        (r.habits, r.cap, r.order, r.hidden_kinds, r.tame) for r in second]
    assert all(a.ids() == b.ids() for a, b in zip(first, second))
    assert sum(r.tame for r in first) >= 6, "enough of them must be able to end complete"
    assert len({tuple(r.habits) for r in first}) > 15
