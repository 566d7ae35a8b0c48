"""`bigbrotr fetch`: one relay to standard output without an archive, held to the same invariant: every event that the relay would serve
is printed, once, or lies where the summary does not claim to have everything."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from conftest import World
from world.archive import HEURISTIC, Span, reaches
from world.daemon import Daemon
from world.farm import Relay
from world.process import until
from world.servers import node_tool

SEEDS = range(1, 31)


def now() -> int:
    return int(time.time())


def fetched(daemon: Daemon, *words: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    assert daemon.tool is not None
    command = [str(daemon.tool), "-c", str(daemon.home / "bigbrotr.ini"), "--json", "fetch", *words]
    done = subprocess.run(command, env=daemon.env, text=True, capture_output=True, timeout=120, check=False)
    lines = done.stderr.strip().splitlines()
    return done.returncode, [json.loads(line) for line in done.stdout.split("\n") if line], json.loads(lines[-1]) if lines else {}


def faults(relay: Relay, code: int, events: list[dict[str, Any]], summary: dict[str, Any]) -> list[str]:
    ids = [e["id"] for e in events]
    spans = summary.get("coverage", [])
    proofs = [Span(s["lo"], s["hi"], s["grade"]) for s in spans if "grade" in s]
    claimed = [p for p in proofs if p.what != HEURISTIC]
    servable = {e[0]: e[1] for e in relay.servable()}
    missing = {i: t for i, t in servable.items() if i not in set(ids)}
    found = []
    if len(ids) != len(set(ids)):
        found.append("something is printed twice")
    if extra := set(ids) - set(servable):
        found.append(f"{len(extra)} that the relay does not serve")
    if lost := [i for i, t in missing.items() if any(p.holds(t) for p in claimed)]:
        found.append(f"{len(lost)} of {len(servable)} lost without a word")
    if relay.tame and (code != 0 or missing or not reaches(proofs)):
        found.append(f"not complete though tame: exit {code}, {len(missing)} missing, {spans}")
    return [f"{relay}: {fault}" for fault in found]


def test_nothing_is_lost_without_a_word(world: World) -> None:
    relays = world.farm.seeds(list(SEEDS))
    daemon = world.daemon(*relays)
    daemon.set("synchronizer", idle_timeout="700ms")
    daemon.set("network", upgrade_timeout="1s")
    daemon.write_ini()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda relay: faults(relay, *fetched(daemon, relay.url)), relays))
    assert not any(results), "\n".join(fault for found in results for fault in found)


def test_filters_and_the_newest(world: World) -> None:
    relay, = world.farm.add({"cap": 50, "data": [{"mint": {"n": 400, "seed": 3, "kinds": "1,7"}}]})
    daemon = world.daemon(relay)
    daemon.write_ini()
    served = relay.servable()
    code, events, summary = fetched(daemon, relay.url, '{"kinds":[7]}')
    assert code == 0 and {e["id"] for e in events} == {e[0] for e in served if e[2] == 7}
    assert summary["events"] == len(events) and summary["requests"] >= len(events) / 50
    verdict = json.loads(node_tool("tools/verify-events.js", data="".join(json.dumps(e) + "\n" for e in events)))
    assert verdict["good"] == len(events) and verdict["bad"] == 0
    middle = sorted(e[1] for e in served)[200]
    _, events, _ = fetched(daemon, relay.url, json.dumps({"since": middle, "authors": [e["pubkey"] for e in events[:1]]}))
    assert all(e["created_at"] >= middle for e in events)
    # The newest ten, asked for in either way.
    newest = sorted((e[1] for e in served), reverse=True)[:10]
    for words in ((relay.url, '{"limit":10}'), ("--limit", "10", relay.url)):
        code, events, _ = fetched(daemon, *words)
        assert code == 0 and [e["created_at"] for e in events] == newest
    for words in (("nonsense",), (relay.url, "{"), (relay.url, '{"kind":1}'), (relay.url, "{}", "{}"), ("--limit", "x", relay.url)):
        bad = daemon.bigbrotr("fetch", *words)
        assert bad.returncode == 2 and bad.stderr and not bad.stdout, words


def test_what_is_not_served_is_said(world: World) -> None:
    dense, closed = world.farm.add({"cap": 20, "data": [{"mint": {"n": 120, "seed": 4, "times": "dense", "dense": 60, "kinds": "1"}}]},
                                   {"auth": "required"})
    daemon = world.daemon(dense, closed)
    done = daemon.bigbrotr("fetch", dense.url)
    assert done.returncode == 3 and "not proven: " in done.stderr and ": dense" in done.stderr
    assert len(done.stdout.splitlines()) >= 60
    done = daemon.bigbrotr("fetch", closed.url)
    assert done.returncode == 1 and "the relay wants NIP-42 authentication" in done.stderr and not done.stdout


def test_a_relay_that_never_ends_a_page(world: World) -> None:
    """It sends what it is asked for, and no EOSE: all of it is printed, and none of it is said to be proven."""
    relay, = world.farm.add({"cap": 500, "eose": "never", "data": [{"mint": {"n": 2300, "seed": 8}}]})
    daemon = world.daemon(relay)
    daemon.set("synchronizer", idle_timeout="300ms")
    daemon.write_ini()
    code, events, summary = fetched(daemon, relay.url)
    assert code == 3 and {e["id"] for e in events} == relay.ids(), (len(events), summary)
    assert all(span.get("grade", HEURISTIC) == HEURISTIC for span in summary["coverage"]), summary["coverage"]


def test_a_relay_that_closes_in_the_middle_of_pages(world: World) -> None:
    """Pages become so small that they come whole."""
    relay, = world.farm.add({"cap": 500, "cut": {"after": 117, "how": "reset"}, "data": [{"mint": {"n": 300, "seed": 9}}]})
    daemon = world.daemon(relay)
    daemon.write_ini()
    code, events, summary = fetched(daemon, relay.url)
    assert code == 0 and {e["id"] for e in events} == relay.ids(), (len(events), summary)


def test_follow(world: World) -> None:
    """What comes later is printed as it comes, also over a lost connection; Ctrl-C ends it well."""
    relay, = world.farm.add({"cap": 100, "data": [{"mint": {"n": 150, "seed": 5}}]})
    daemon = world.daemon(relay)
    out = daemon.home / "out.jsonl"

    def lines() -> set[str]:
        return {json.loads(line)["id"] for line in out.read_text().split("\n")[:-1]}

    assert daemon.tool is not None
    command = [str(daemon.tool), "-c", str(daemon.write_ini()), "fetch", "--follow", relay.url]
    with out.open("w") as stdout, subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, env=daemon.env) as process:
        try:
            until(lambda: lines() == relay.ids(), 20, "all that was there is printed")
            new = relay.publish(mint={"n": 3, "seed": 6, "from": now(), "to": now() + 1})
            until(lambda: set(new) <= lines(), 20, "what is new is printed")
            relay.kick()
            more = relay.publish(mint={"n": 3, "seed": 7, "from": now(), "to": now() + 1})
            until(lambda: set(more) <= lines(), 20, "what came while the connection was lost is printed")
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()
    printed = [json.loads(line)["id"] for line in out.read_text().split("\n") if line]
    assert len(printed) == len(set(printed)) == 156
