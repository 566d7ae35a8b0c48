"""`bigbrotr plan`: what relays hold and what archiving them costs, held against what they really hold."""
from __future__ import annotations

import json
import time
from typing import Any

import pytest
from conftest import World
from world.daemon import Daemon
from world.farm import Relay

DAY = 86400
FACTOR = 1.5  # docs: an orderly relay's estimate from samples is within it


def minted(n: int, seed: int, days: int = 900, **more: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"mint": {"n": n, "seed": seed, "times": "uniform", "from": now - days * DAY, "to": now - 60, **more}}


def planned(daemon: Daemon, *words: str, code: int = 0) -> dict[str, Any]:
    done = daemon.bigbrotr("plan", "--json", *words)
    assert done.returncode == code, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def of(plan: dict[str, Any], relay: Relay) -> dict[str, Any]:
    return next(one for one in plan["relays"] if one["url"] == relay.url)


def close(x: float, want: float, factor: float = FACTOR) -> bool:
    return want / factor <= x <= want * factor


@pytest.fixture(name="tool")
def offline(world: World) -> Daemon:
    """Only its command: nothing is archived, nothing runs."""
    daemon = world.daemon()
    daemon.set("network", connect_timeout="1s", upgrade_timeout="1s")
    return daemon


def test_counts_samples_and_lies(world: World, tool: Daemon) -> None:
    data = [minted(6000, 91)]
    habits: dict[str, dict[str, Any]] = {
        "count": {}, "about": {"counting": "about"}, "lies": {"counting": "lies"}, "triples": {"counting": "triples"}, "closed": {"counting": "closed"},
        "notice": {"counting": "notice"}, "hangup": {"counting": "hangup"}, "silent": {"counting": "silent", "cap": 60},
        "few": {"data": [minted(40, 92)], "counting": "closed"}, "none": {"data": [], "counting": "closed"},
        "deaf": {"counting": "closed", "ignores_until": True}, "oldest": {"counting": "closed", "order": "oldest"},
        "blocked": {"refuse": {"every": 1, "text": "blocked: we do not know you"}}, "dead": {"down": True},
    }
    relays = dict(zip(habits, world.farm.add(*({"data": data, **habit} for habit in habits.values()))))
    plan = planned(tool, *(r.url for r in relays.values()), code=3)
    found = {name: of(plan, relay) for name, relay in relays.items()}
    size = {name: len(r.servable()) for name, r in relays.items()}
    counts = {name: one.get("filters", [{}])[0].get("count") for name, one in found.items()}
    assert found["count"]["events"] == 6000 and counts["count"] == "believed", found["count"]
    assert found["about"]["events"] == 6600 and counts["about"] == "approximate"
    assert counts["lies"] == counts["triples"] == "doubted", "also one whose total alone could be true"
    assert counts["closed"] == counts["notice"] == counts["hangup"] == counts["silent"] == "none"
    for name in ("lies", "triples", "closed", "notice", "hangup", "silent"):
        one = found[name]
        assert close(one["events"], size[name]) and one["events_low"] <= one["events"] <= one["events_high"], (name, one)
    assert found["few"]["events"] == found["few"]["events_high"] == 40 and found["few"]["known_from"] == "all of it"
    assert found["none"]["events"] == 0
    for name in ("deaf", "oldest"):
        assert found[name]["known_from"] == "at least" and 0 < found[name]["events"] <= 6000, found[name]
        assert found[name]["filters"][0]["caution"]
    assert found["blocked"]["error"] == "blocked" and found["dead"]["error"], (found["blocked"], found["dead"])
    # Before anything is downloaded: some pages, and not the relay.
    assert relays["closed"].record()["events_sent"] < 2200 and relays["count"].record()["events_sent"] < 1000

    text = tool.bigbrotr("plan", relays["count"].url, relays["dead"].url)
    assert text.returncode == 3 and "1 of 2 relays could be estimated" in text.stdout and "database" in text.stdout, text
    assert tool.bigbrotr("plan", relays["dead"].url).returncode == 1


def test_what_many_relays_hold_is_stored_once(world: World, tool: Daemon) -> None:
    same, other = minted(3000, 93), minted(3000, 94)
    relays = world.farm.add({"data": [same]}, {"data": [same], "counting": "closed"}, {"data": [same]}, {"data": [other]})
    (world.home / "relays.txt").write_text("# some\n" + "".join(f"{r.url}\n" for r in relays))
    plan = planned(tool, "--relays", str(world.home / "relays.txt"))
    total = plan["total"]
    assert close(total["sightings"], 12000, 1.2) and close(total["events"], 6000, 1.35), total
    assert plan["copies"] == pytest.approx((3 * 3 + 1) / 4, rel=0.2)
    # The archive itself is the judge of what is downloaded and stored.
    daemon = world.daemon(*relays, name="judge").start()
    daemon.complete(relays)
    received = sum(r.record()["event_bytes"] for r in relays)
    daemon.stop()
    sampled = sum(one["filters"][0]["received_bytes"] for one in plan["relays"])
    assert close(total["download_bytes"], received - sampled, 1.35), (total, received, sampled)
    assert total["database_bytes"] > 6000 * 500 and total["cpu_seconds"] > 0 and total["seconds"] > 0


def test_filters_bandwidth_and_a_lot(world: World, tool: Daemon) -> None:
    relays = world.farm.add(*({"data": [minted(2000, 95, kinds="1,7")]} for _ in range(6)))
    tool.extra = "[filter likes]\nkinds = 7\n[filter notes]\nkinds = 1\nnot_since = 2000-01-01\n"
    tool.set("network", bandwidth_max="400KiB")
    one = planned(tool, relays[0].url)
    kinds = [sum(e[2] == kind for e in relays[0].servable()) for kind in (7, 1)]
    assert [part["events"] for part in one["relays"][0]["filters"]] == kinds
    assert one["relays"][0]["filters"][1]["wanted"] == 0 and one["total"]["sightings"] == kinds[0], "not_since leaves none"
    assert one["total"]["limit"] == "[network] bandwidth_max"
    assert one["total"]["seconds"] == pytest.approx(one["total"]["download_bytes"] / 409600, rel=0.01)
    tool.set("network", bandwidth_max=0)
    tool.extra = ""

    # By lot, of a list and of what an archive knows; all of them are as those.
    (world.home / "relays.txt").write_text("".join(f"{r.url}\n" for r in relays))
    lot = planned(tool, "--relays", str(world.home / "relays.txt"), "--sample", "2")
    assert lot["known"] == 6 and lot["asked"] == 2 and lot["all_known"]["sightings"] == 3 * lot["total"]["sightings"] == 12000
    assert close(lot["all_known"]["events"], 2000, 1.2), lot["all_known"]
    daemon = world.daemon(*relays, name="known")
    done = daemon.run("--init", within=90)
    assert done.returncode == 0, done.stderr
    daemon.start()
    known = json.loads(daemon.bigbrotr("plan", "--json", "--sample", "3").stdout)
    assert known["source"] == "the archive" and known["known"] == 6 and known["asked"] == 3
    daemon.stop()


def test_rules_of_retention(world: World, tool: Daemon) -> None:
    """What they exclude is downloaded and not kept, by kind, by age, and by relay."""
    data = [minted(5000, 96, kinds="1,7", days=800)]
    relays = world.farm.add({"data": data}, {"data": data, "counting": "closed"})
    tool.extra = (f"[retention likes]\nkinds = 7\nmax_age = 200d\n[retention never]\nkinds = 1\nmax_age = 0\nrelays = {relays[1].url}\n")
    plan = planned(tool, *(r.url for r in relays))
    horizon = time.time() - 200 * DAY
    for relay, kinds in ((relays[0], (1,)), (relays[1], ())):
        events = relay.servable()
        kept = sum(e[2] in kinds or (e[2] == 7 and e[1] >= horizon) for e in events) / len(events)
        found = of(plan, relay)
        assert close(found["filters"][0]["wanted"], kept, 1.3), (kept, found)
        assert close(found["events"], len(events))
    wanted = sum(of(plan, r)["events"] * of(plan, r)["filters"][0]["wanted"] for r in relays)
    assert plan["total"]["sightings"] == pytest.approx(wanted, rel=0.01)


def test_it_says_what_to_do(world: World, tool: Daemon) -> None:
    for words in (("--sample", "0"), ("--sample", "2", "wss://a.example.com"), ("--limit", "2")):
        done = tool.bigbrotr("plan", *words)
        assert done.returncode == 2 and "usage: bigbrotr plan" in done.stderr, done.stderr
    assert tool.bigbrotr("plan", "https://example.com").returncode == 2
    (world.home / "empty.txt").write_text("# nothing\n")
    done = tool.bigbrotr("plan", "--relays", str(world.home / "empty.txt"))
    assert done.returncode == 2 and "names no relay" in done.stderr
    done = tool.bigbrotr("plan", "--relays", "/nowhere")
    assert done.returncode == 2 and "/nowhere" in done.stderr
