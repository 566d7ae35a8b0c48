"""What a person reads: `bigbrotr` on its own, its words, and what it says when something is wrong."""
from __future__ import annotations

import re

from conftest import World
from world.process import until


def line(text: str, label: str) -> str:
    """The rest of the line that begins so."""
    return next(rest[len(label):].strip() for rest in text.splitlines() if rest.startswith(label))


def test_refusals_keep_their_names(world: World) -> None:
    """What a relay says is the reason that is kept, however it goes on: it closes the request, says it in a NOTICE, falls silent or
    hangs up."""
    every = {"every": 1}
    expected = {
        "auth_required": {"auth": "required"},
        "blocked": {"refuse": {**every, "text": "blocked: we do not know you", "hangup": True}},
        "payment_required": {"refuse": {**every, "text": "restricted: a payment is needed here"}},
        "rate_limited": {"refuse": {**every, "text": "too many requests", "via": "notice"}},
        "silent": {"refuse": {**every, "text": "restricted: members only", "via": "notice"}},
        "refused": {"refuse": {**every, "text": "error: something"}},
        "not_live": {"data": [{"mint": {"n": 40, "seed": 5}}], "refuse": {"live": True, "text": "blocked: no subscriptions"}},
    }
    relays = dict(zip(expected, world.farm.add(*expected.values())))
    daemon = world.daemon(*relays.values())
    daemon.set("synchronizer", idle_timeout="1s", idle_timeout_overlay="1s")
    daemon.start()
    wanted = {relays[name].url: {"silent": "blocked", "not_live": "blocked"}.get(name, name) for name in expected}

    def kept() -> dict[str, str]:
        return dict(daemon.archive().query("SELECT r.url, s.error FROM relays r JOIN relay_sync s USING (relay_id)"))
    until(lambda: kept() == wanted, 30, "each refusal has its name", lambda: f"{kept()}" if daemon.alive() else "")
    assert daemon.status()["run"]["requests_refused_by_reason"]["auth_required"] >= 1
    text = daemon.bigbrotr("relay", relays["auth_required"].url).stdout
    assert line(text, "last failure") == "auth_required: the relay wants NIP-42 authentication"
    assert line(text, "state") == "failing" and line(text, "next visit").startswith("20")
    # It is served, only not live: so it is polled, and not left alone for days.
    text = daemon.bigbrotr("relay", relays["not_live"].url).stdout
    assert line(text, "state") == "in sync" and line(text, "next visit").startswith("20"), text
    daemon.stop()


def test_words_of_status_and_relay(world: World) -> None:
    one, = world.farm.add({"cap": 20, "data": [{"mint": {"n": 50, "seed": 6}}]})
    daemon = world.daemon(one).start()
    daemon.complete([one])
    until(lambda: daemon.status()["relays"]["by_state"]["live"] == 1, 20, "it is followed live", daemon.alive)
    text = daemon.bigbrotr("status").stdout
    assert "0 waiting, 0 connecting, 0 reading, 1 live, 0 in sync, 0 failing, 0 without a proxy" in text
    assert "known_ids" in text and "always" in line(text, "memory    known_ids")
    text = ""

    def learnt() -> bool:  # written a moment later
        nonlocal text
        text = daemon.bigbrotr("relay", one.url).stdout
        return "at most 20 events came at once" in text and "sends the newest first" in text
    until(learnt, 20, "what was learnt is there", daemon.alive)
    assert line(text, "state") == "live" and "next visit" not in text, "nothing lies in the past"
    assert "=" not in text, "no raw numbers"
    # A mistake in what the daemon alone reads stops nobody from looking.
    daemon.set("initializer", seed_file="/nowhere/seeds.txt")
    daemon.set("identity", secret_key_file="/nowhere/key")
    daemon.set("synchronizer", page="a lot")
    done = daemon.bigbrotr("status")
    assert done.returncode == 0 and "1 clearnet" in done.stdout, done.stderr
    daemon.stop()
    log = daemon.log()
    assert "1 relay accepted from" in log and "1 relays" not in log


def test_the_tool_says_what_to_do(world: World) -> None:
    daemon = world.daemon("wss://relay.example.com")
    done = daemon.bigbrotr("status")
    assert done.returncode == 2 and "start one with bigbrotrd" in done.stderr, done.stderr
    done = daemon.run("--init", within=90)
    assert done.returncode == 0 and "1 relay known" in done.stderr and "archived" not in done.stderr, "no empty summary"
    for words in (("status",), ("relay", "wss://relay.example.com"), ("verify",)):
        done = daemon.bigbrotr(*words)
        assert done.returncode in (1, 2) and "bigbrotrd" in done.stderr and "\\x" not in done.stderr, done.stderr
    done = daemon.bigbrotr("relay", "https://example.com")
    assert done.returncode == 2 and "ws://" in done.stderr
    done = daemon.bigbrotr("stauts")
    assert done.returncode == 2 and "--help" in done.stderr
    names = re.findall(r"^  ([a-z]+) ", daemon.bigbrotr("--help").stdout, re.M)
    assert len(names) >= 26
    for name in names:
        done = daemon.bigbrotr(name, "--help")
        assert done.returncode == 0 and done.stdout.startswith("usage: bigbrotr ") and f" {name}" in done.stdout, (name, done)
