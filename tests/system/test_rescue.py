"""`bigbrotr rescue` and `publish`: one author's events from several relays, each once, and to a relay that is not ours."""
from __future__ import annotations

import json
from typing import Any

from conftest import World
from world.process import until
from world.servers import node_tool


def told(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n") if line]


def by(author: str, *urls: str) -> dict[str, Any]:
    """What a client that is not ours gets of him there."""
    return {e["id"]: e for url in urls for e in told(node_tool("tools/fetch-all.js", url, json.dumps({"authors": [author]})))}


def test_from_everywhere_and_on_to_others(world: World) -> None:
    mint = {"n": 200, "kinds": "1,7,0", "authors": 3}
    shared, other = ({"mint": {**mint, "seed": seed}} for seed in (61, 62))
    one, two, three, dead = world.farm.add({"cap": 20, "data": [shared]}, {"cap": 50, "data": [shared, other]},
                                           {"data": [other], "cut": {"after": 30, "how": "reset", "times": 1}}, {"down": True})
    (world.home / "empty.jsonl").write_text("")
    foreign = world.node("third-party-relay/serve.js", str(world.home / "empty.jsonl"))
    to = f"ws://127.9.0.1:{foreign.ready['port']}"
    daemon = world.daemon(one, two, three, dead)
    author = told(daemon.bigbrotr("fetch", "--limit", "1", two.url).stdout)[0]["pubkey"]
    expected = by(author, one.url, two.url)
    npub = daemon.bigbrotr("encode", "npub", author).stdout.strip()
    sources = [word for relay in (one, two, three, dead) for word in ("--from", relay.url)]
    done = daemon.bigbrotr("rescue", *sources, "--to", to, npub)
    events = told(done.stdout)
    assert done.returncode == 0, done.stderr
    assert sorted(e["id"] for e in events) == sorted(expected), "each once"
    assert "of 4 relays brought something, 1 could not be read" in done.stderr
    assert f"{to}: {len(expected)} accepted" in done.stderr and by(author, to).keys() == expected.keys()
    assert json.loads(node_tool("tools/verify-events.js", data=done.stdout))["good"] == len(expected)
    # Without --from: the relays that the archive's monitor has found readable.
    nothing = daemon.bigbrotr("rescue", npub)
    assert nothing.returncode != 0 and "the private database runs only while bigbrotrd does" in nothing.stderr
    daemon.set("monitor", enabled="true", timeout_min="2s", timeout_max="3s")
    daemon.start()
    until(lambda: daemon.archive().value("SELECT count(*) FROM readable_relays") == 3, 30, "three are readable", daemon.alive)
    done = daemon.bigbrotr("rescue", author)
    assert done.returncode == 0 and {e["id"] for e in told(done.stdout)} == expected.keys(), done.stderr
    daemon.stop()


def test_publish(world: World) -> None:
    """What does not verify is sent to nobody; what a relay refuses is said in its words."""
    (world.home / "empty.jsonl").write_text("")
    foreign = world.node("third-party-relay/serve.js", str(world.home / "empty.jsonl"))
    to = f"ws://127.9.0.1:{foreign.ready['port']}"
    refusing, slow = world.farm.add({"write": {"ok": False, "text": "blocked: not here"}}, {"down": True})
    daemon = world.daemon(refusing, slow)
    lines = world.farm.mint(n=50, seed=63).read_text()
    spoilt = lines.split("\n", 1)[0].replace('"kind":', '"kind":1') + "\n"
    done = daemon.bigbrotr("--json", "publish", to, refusing.url, slow.url, data=spoilt + lines)
    result = {one["relay"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 3 and done.stderr.startswith("line 1: ")
    assert {key: result[to][key] for key in ("accepted", "refused", "unanswered")} == {"accepted": 50, "refused": 0, "unanswered": 0}
    assert result[refusing.url]["refused"] == 50 and result[refusing.url]["text"] == "blocked: not here"
    assert result[slow.url]["unanswered"] == 50 and result[slow.url]["error"]
    assert len(told(node_tool("tools/fetch-all.js", to))) == 50
    again = daemon.bigbrotr("publish", to, data=lines)
    assert again.returncode == 0 and again.stdout == f"{to}: 50 accepted\n", "what it has already is no failure"
