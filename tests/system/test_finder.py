"""From what is mentioned to relays, over a farm: who is found, who is not, and that a spammer waits for himself."""
from __future__ import annotations

import collections
import http.server
import json
import lzma
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import World
from test_mentions import TESTS, oracle
from world.archive import Archive
from world.daemon import Daemon
from world.farm import SUPPORT, Relay
from world.process import as_unprivileged, until

SOME = {"cap": 50, "data": [{"mint": {"n": 20, "seed": 700}}]}


def finding(world: World, *relays: Relay | str, **keys: Any) -> Daemon:
    daemon = world.daemon(*relays)
    daemon.set("finder", **{"enabled": "true", "share": "100%", "timeout": "3s", "retry_min": "1s", "retry_max": "1s", "tries": 2,
                            **keys})
    return daemon


def begun(daemon: Daemon) -> Archive:
    """Its archive, when the last migration has run too."""
    daemon.start()
    archive = daemon.archive()
    until(lambda: archive.value("SELECT to_regclass('candidates_growth') IS NOT NULL"), 30, "the tables are there", daemon.alive)
    return archive


def mention(archive: Archive, url: str, domain: str = "", author: str = "", source: str = "relay_list", relay: int | None = None) -> None:
    """As the transaction that stores an event does it."""
    archive.execute("INSERT INTO mention_new (url, network, domain, source, weight, day, mentions, authors, relay_id) "
                    "VALUES (%s, 'clearnet', %s, %s, 10, 20000, 1, decode(%s, 'hex'), %s)",
                    url, domain or url, source, author, relay)


def state(archive: Archive, url: str) -> tuple[Any, ...]:
    return next(iter(archive.query("SELECT state, error FROM candidate WHERE url = %s", url)), ())


def test_what_is_mentioned_becomes_a_relay_and_is_archived(world: World) -> None:
    known, found, down = world.farm.add(SOME, {**SOME, "data": [{"mint": {"n": 30, "seed": 701}}]}, {**SOME, "down": True})
    daemon = finding(world, known)
    daemon.set("monitor", enabled="true", interval_clearnet="1h", timeout_max="3s", timeout_min="2s")
    archive = begun(daemon)
    mention(archive, found.url, author="0102030405060708", relay=1)
    mention(archive, found.url, author="0102030405060709", source="text")
    mention(archive, down.url, author="0102030405060708")
    daemon.complete([known, found])
    assert state(archive, found.url) == ("promoted", "")
    assert archive.query("SELECT source, mentions FROM relay_provenance WHERE url = %s ORDER BY 1", found.url) == [
        ("relay_list", 1), ("text", 1)]
    assert archive.query("SELECT relay_url, mentions_url FROM relay_neighbourhood WHERE mentions_url = %s", found.url) == [
        (known.url, found.url)]
    shown = daemon.bigbrotr("relay", found.url).stdout
    assert f" as relay_list, at {known.url}\n" in shown and "2 times by 2 authors: relay_list 1, text 1\n" in shown, shown
    until(lambda: state(archive, down.url)[:1] == ("dropped",), 30, "nobody answers", daemon.alive)
    assert archive.query("SELECT url, tries, mentions, authors FROM relay_candidates") == [(down.url, 2, 1, 1)]
    shown = daemon.bigbrotr("relay", down.url).stdout
    assert shown.startswith(f"candidate      {down.url} (clearnet)\nstate          dropped\n") and "1 time by 1 author" in shown, shown
    until(lambda: daemon.status()["finder"]["dropped"] == 1, 30, "the status shows it", daemon.alive)
    told = daemon.status()["finder"]
    assert (told["promoted"], told["found"], told["waiting"], told["probes"]) == (1, 1, 0, 6), told  # each as wss:// first
    daemon.stop()


def test_what_a_document_mentions_becomes_a_relay(world: World) -> None:
    """Counted with the document, which a check reads again and again."""
    found, = world.farm.add(SOME)
    known, = world.farm.add({**SOME, "nip11": {"name": "x", "fees": [{"see": f"also {found.wss}/ and {found.wss}"}]}})
    daemon = finding(world, known)
    daemon.set("monitor", enabled="true", interval_clearnet="1s", timeout_max="3s", timeout_min="2s")
    daemon.set("network", tls_ca_file=world.farm.ca)
    archive = begun(daemon)
    until(lambda: archive.value("SELECT count(*) FROM relays") == 2, 30, "it is found", daemon.alive)
    until(lambda: archive.value("SELECT count(*) FROM relay_metadata WHERE relay_url = %s", known.url) > 2, 30, "checked again",
          daemon.alive)
    assert archive.query("SELECT url, source, mentions FROM relay_provenance") == [(found.wss, "nip11", 1)]
    assert archive.query("SELECT relay_url, mentions_url FROM relay_neighbourhood") == [(known.url, found.wss)]
    daemon.stop()


def test_a_relay_is_one_whatever_its_scheme(world: World) -> None:
    """ws:// that answers as wss:// is that relay."""
    relay, = world.farm.add(SOME)
    daemon = finding(world)
    daemon.set("network", tls_ca_file=world.farm.ca)
    archive = begun(daemon)
    mention(archive, relay.wss.replace("wss://", "ws://"))
    until(lambda: archive.value("SELECT count(*) FROM relays") == 1, 30, "it is found", daemon.alive)
    assert archive.value("SELECT url FROM relays") == relay.wss
    assert archive.query("SELECT url, state, mentions FROM candidate") == [(relay.wss, "promoted", 1)]
    daemon.stop()


def test_a_spammer_waits_for_himself(world: World) -> None:
    """2,000 URLs of one author and 2,000 of one domain, all before the one that is a relay."""
    relay, = world.farm.add(SOME)
    daemon = finding(world, share="2%", probes_per_hour=1000, share_rows=100)
    daemon.set("synchronizer", enabled="false")
    archive = begun(daemon)
    archive.execute("INSERT INTO mention_new (url, network, domain, source, weight, day, mentions, authors) "
                    "SELECT 'wss://s' || i || '.spam.net', 'clearnet', CASE WHEN i > 2000 THEN 'spam.net' ELSE 's' || i END, "
                    "'relay_list', 10, 20000, 9, CASE WHEN i > 2000 THEN int8send(i) ELSE '\\xffffffffffffffff' END "
                    "FROM generate_series(1, 4000) i")
    mention(archive, relay.url, author="0102030405060708", source="text")
    until(lambda: state(archive, relay.url)[:1] == ("promoted",), 30, "it is found all the same", daemon.alive)
    until(lambda: archive.value("SELECT count(*) FROM candidate WHERE state IN ('new', 'failed') AND next_at_ms > 0") >= 100, 30,
          "the shares of the hour are used up", daemon.alive)
    assert archive.value("SELECT count(*) FROM candidate WHERE url LIKE '%%spam.net'") == 200
    assert archive.value("SELECT refused FROM candidate_share WHERE what = 'all'") == 3800
    probed = archive.value("SELECT count(*) FROM candidate WHERE probed_at_ms > 0 AND url LIKE '%%spam.net'")
    assert probed <= 2 * 20 * 2, "twenty of each in an hour, if a new one has not just begun"
    daemon.stop()


def test_a_crash_loses_and_doubles_nothing(world: World) -> None:
    relay, = world.farm.add(SOME)
    daemon = finding(world)
    archive = begun(daemon)
    n = 0
    for i in range(3):
        archive.execute("INSERT INTO mention_new (url, network, domain, source, weight, day, mentions, authors) "
                        "SELECT u, 'clearnet', u, 'text', 1, 20000, 1, int8send(k) FROM generate_series(1, 50) k, "
                        "unnest(ARRAY[%s, 'wss://x' || k || '.net']) u", relay.url)
        n += 50
        time.sleep(0.3 * i)
        daemon.kill()
        daemon.start()
        archive = daemon.archive()
    until(lambda: archive.value("SELECT count(*) FROM mention_new") == 0, 30, "all is counted", daemon.alive)
    assert archive.value("SELECT mentions FROM candidate WHERE url = %s", relay.url) == n
    assert archive.value("SELECT sum(mentions) FROM candidate_mention") == 2 * n
    until(lambda: state(archive, relay.url)[:1] == ("promoted",), 30, "and it is found", daemon.alive)
    daemon.stop()


def signed(*events: dict[str, Any]) -> list[str]:
    """Lines of JSON, each of an author of its own, or of the one whose number it has."""
    script = ("const {finalizeEvent, generateSecretKey} = require('nostr-tools/pure'); const keys = new Map();"
              "const key = (n) => keys.get(n) || keys.set(n, generateSecretKey()).get(n);"
              "for (const {author, ...e} of JSON.parse(require('fs').readFileSync(0)))"
              " console.log(JSON.stringify(finalizeEvent(e, author === undefined ? generateSecretKey() : key(author))))")
    done = subprocess.run(["node", "-e", script], input=json.dumps(events), cwd=SUPPORT, text=True, capture_output=True, check=True)
    return done.stdout.splitlines()


def test_one_seed_leads_to_all_that_are_mentioned_in_events(world: World) -> None:
    """From one relay to the next: each holds one event that mentions the next one, in a way of its own."""
    relays = world.farm.add(*({**SOME, "data": [{"mint": {"n": 5, "seed": 800 + i}}]} for i in range(5)))
    now = int(time.time()) - 60
    ways = [{"kind": 10002, "tags": [["r", relays[1].wss + "/"]], "content": ""},
            {"kind": 1, "tags": [], "content": f"come to {relays[2].wss}, it is nice"},
            {"kind": 3, "tags": [], "content": json.dumps({relays[3].wss.upper().replace("WSS", "wss"): {"read": True}})},
            {"kind": 1, "tags": [["e", "0" * 64, relays[4].wss]], "content": ""}]
    for relay, way in zip(relays, ways):
        relay.publish(lines=signed({**way, "created_at": now}))
    daemon = finding(world, relays[0].wss)
    daemon.set("network", tls_ca_file=world.farm.ca)
    archive = begun(daemon)
    until(lambda: archive.value("SELECT count(*) FROM relays") == 5, 40, "all are found", daemon.alive)
    assert {url for url, in archive.query("SELECT url FROM relays")} == {r.wss for r in relays}
    assert archive.query("SELECT mentions_url FROM relay_neighbourhood WHERE relay_url = %s", relays[2].wss) == [(relays[3].wss,)]
    until(lambda: archive.value("SELECT count(*) FROM events") == 5 * 5 + 4, 30, "and archived", daemon.alive)
    daemon.stop()


def test_relays_are_asked_for_what_is_not_archived(world: World) -> None:
    """Relay lists of a daemon that archives notes: read page by page, counted once, whatever dies, and forgotten."""
    found, late = world.farm.add(SOME, SOME)
    known, other = world.farm.add({**SOME, "cap": 3}, SOME)
    now = int(time.time()) - 5000
    lists = signed(*({"kind": kind, "tags": [["r", f"{found.wss}/{i}"]], "content": "", "created_at": now + i // 2}
                     for i, kind in enumerate([10002] * 9 + [1])))
    known.publish(lines=lists)
    other.publish(lines=lists[:2])
    daemon = finding(world, known, other)
    daemon.set("finder", ask_interval="1s", probes_per_hour=1)
    daemon.set("network", tls_ca_file=world.farm.ca)
    daemon.extra = "[filter notes]\nkinds = 1\n"
    archive = begun(daemon)
    counted = ("SELECT count(*), sum(n) FROM (SELECT url, mentions AS n FROM candidate WHERE first_source = 'asked' "
               "UNION ALL SELECT url, mentions FROM mention_new WHERE source = 'asked') x")
    until(lambda: archive.query(counted) == [(9, 9)], 30, "every list is read, once", daemon.alive)
    daemon.kill()
    daemon.start()
    archive = daemon.archive()
    known.publish(lines=signed({"kind": 10002, "tags": [["r", late.wss]], "content": "", "created_at": now + 100}))
    until(lambda: archive.query(counted) == [(10, 10)], 30, "the one that is new, and no other once more", daemon.alive)
    asked = archive.value("SELECT asked_at_ms FROM relay_asked JOIN relays USING (relay_id) WHERE url = %s", known.url)
    until(lambda: archive.value("SELECT max(asked_at_ms) FROM relay_asked") > asked, 30, "asked again", daemon.alive)
    assert archive.query(counted) == [(10, 10)]
    assert archive.query("SELECT DISTINCT kind FROM events") == [(1,)]
    daemon.stop()


def test_discover_reads_the_archive_once_more(world: World) -> None:
    """Events that came while nobody looked for relays; killed in the middle, repeated, beside a daemon that counts what is new."""
    file = world.home / "events.jsonl"
    real = lzma.open(TESTS / "data" / "events-real.jsonl.xz", "rt", encoding="utf-8").readlines()
    file.write_text("".join(real), encoding="utf-8")
    daemon = finding(world)
    daemon.set("finder", enabled="false")
    begun(daemon)
    assert daemon.bigbrotr("import", data=file.read_text(encoding="utf-8")).returncode in (0, 3)
    daemon.stop()
    daemon.set("finder", enabled="true", probes_per_hour=1, rows=1000000, share_rows=1000000)
    archive = begun(daemon)
    assert archive.value("SELECT count(*) FROM candidate") == 0
    begin = as_unprivileged([str(daemon.tool), "-c", str(daemon.write_ini()), "discover", "--from-archive"])
    cut = subprocess.Popen(begin, env=daemon.env, cwd=daemon.home, stdout=subprocess.PIPE, text=True)
    until(lambda: archive.value("SELECT (value->>'events')::int8 FROM service_state WHERE service = 'discover'") or 0, 30, "some are read",
          every=0.005)
    cut.kill()
    cut.wait()
    done = daemon.bigbrotr("--json", "discover", "--from-archive")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["resumed"] or told["events"] == archive.value("SELECT count(*) FROM event")
    assert told["events"] == archive.value("SELECT count(*) FROM event") and told["urls"] > 100, told
    until(lambda: archive.value("SELECT count(*) FROM mention_new") == 0, 30, "all is counted", daemon.alive)
    reading = oracle()
    want: collections.Counter[tuple[str, str]] = collections.Counter()
    for text, in archive.query("SELECT event_json(id) FROM events"):
        want.update((url, source) for url, (_, source) in reading.relays(json.loads(text)).items())
    counted = "SELECT url, source, sum(m.mentions)::int8 FROM candidate_mention m JOIN candidate USING (candidate_id) GROUP BY 1, 2"
    assert {(url, source): n for url, source, n in archive.query(counted)} == dict(want)
    again = json.loads(daemon.bigbrotr("discover", "--from-archive", "--json").stdout)
    assert (again["mentions"], again["urls"], again["events"]) == (0, 0, told["events"])
    # What is counted when it comes is not counted again, and what makes a count too small is mended.
    mine = signed({"kind": 10002, "tags": [["r", "wss://only-here.net"]], "content": "", "created_at": 1700000000})
    assert daemon.bigbrotr("import", data="\n".join(mine)).returncode == 0
    archive.execute("DELETE FROM candidate WHERE candidate_id IN (SELECT candidate_id FROM candidate ORDER BY 1 LIMIT 3)")
    lost = json.loads(daemon.bigbrotr("discover", "--from-archive", "--json").stdout)
    assert lost["urls"] == 3, lost
    until(lambda: archive.value("SELECT count(*) FROM mention_new") == 0, 30, "all is counted", daemon.alive)
    want[("wss://only-here.net", "relay_list")] = 1
    assert {(url, source): n for url, source, n in archive.query(counted)} == dict(want)
    daemon.stop()


def entity(url: str) -> str:
    """An nprofile that names this relay."""
    return oracle().bech32_encode("nprofile", b"\0\x20" + b"\xaa" * 32 + b"\1" + bytes([len(url)]) + url.encode())


class OneList(http.server.BaseHTTPRequestHandler):
    """A list of relays for [finder.source NAME]."""
    lines: list[str] = []

    def do_GET(self) -> None:  # noqa: N802
        body = "\n".join(self.lines).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # pylint: disable=redefined-builtin
        pass


# How relays are mentioned: one way after the other.  Not in an event: in the document of whoever mentions it, or in a list over HTTP.
DOCUMENT, LIST = "document", "list"
WAYS: list[Callable[[str], dict[str, Any]] | str] = [
    lambda url: {"kind": 10002, "tags": [["r", url]], "content": ""},
    lambda url: {"kind": 1, "tags": [], "content": f"come to {url}, it is nice"},
    lambda url: {"kind": 3, "tags": [], "content": json.dumps({url: {"read": True}})},
    lambda url: {"kind": 1, "tags": [["e", "0" * 64, url]], "content": ""},
    DOCUMENT,
    LIST,
    lambda url: {"kind": 1, "tags": [], "content": f"nostr:{entity(url)}"},
    lambda url: {"kind": 10050, "tags": [["relay", url]], "content": ""},
    lambda url: {"kind": 30166, "tags": [["d", url]], "content": ""},
    lambda url: {"kind": 1, "tags": [], "content": f"bunker://{'a' * 64}?relay={url.replace('://', '%3A%2F%2F')}"},
    lambda url: {"kind": 9735, "tags": [["relays", "wss://127.0.0.1", url]], "content": ""},
    lambda url: {"kind": 39000, "tags": [["d", "x"], ["r", url]], "content": ""},
    lambda url: {"kind": 2, "tags": [], "content": url},
]


def spam(n: int, now: int) -> list[dict[str, Any]]:
    """Half of it names below one domain, by as many authors as there are events; half of it domains, by one author."""
    def event(i: int) -> dict[str, Any]:
        own = i % 200 == 0
        urls = [f"wss://x{j}.com" if own else f"wss://{j}.spam.net/{j}" for j in range(i, min(i + 100, n))]
        return {"kind": 1, "tags": [["r", url] for url in urls], "content": "", "created_at": now - i // 100, **({"author": 1} if own else {})}
    return [event(i) for i in range(0, n, 100)]


def test_every_relay_is_found_and_spam_gains_nothing(world: World, pytestconfig: pytest.Config) -> None:
    """One seed; each relay mentions ten others, in all ways; somebody shouts beside them."""
    n, shouts = pytestconfig.getoption("--relays"), pytestconfig.getoption("--spam")
    url = [f"ws://r.one{i}.com:{world.farm.ready['ws']}" for i in range(n)]
    told: list[list[str]] = [[] for _ in url]
    documents: list[list[str]] = [[] for _ in url]
    now = int(time.time()) - 60
    events = []
    for i in range(1, n):
        way = WAYS[i % len(WAYS)]
        if way == DOCUMENT:
            documents[(i - 1) // 10].append(url[i])
        elif way == LIST:
            OneList.lines.append(url[i])
        else:
            assert callable(way)
            events.append(((i - 1) // 10, {**way(url[i]), "created_at": now - i}))
    for (at, _), line in zip(events, signed(*(event for _, event in events))):
        told[at].append(line)
    told[0] += signed(*spam(shouts, now))
    relays = world.farm.add(*({"cap": 500, "data": [], "nip11": {"name": "x", "see": d}} for d in documents))
    world.farm.dns({f"r.one{i}.com": {"a": [r.address]} for i, r in enumerate(relays)})
    for relay, lines in zip(relays, told):
        if lines:
            relay.publish(lines=lines)
    daemon = world.daemon(url[0])
    # Addresses are given to the farm in order: a quarter of a thousand relays are one network's.
    daemon.set("finder", enabled="true", probes=100, probes_per_hour=20000, timeout="1s", connections="25%")
    daemon.set("monitor", enabled="true", interval_clearnet="1h", timeout_max="5s")
    lists = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OneList)
    threading.Thread(target=lists.serve_forever, daemon=True).start()
    daemon.extra = f"[finder.source one]\nurl = http://127.0.0.1:{lists.server_port}/relays.txt\n"
    archive = begun(daemon)
    begin = time.monotonic()
    until(lambda: archive.value("SELECT count(*) FROM relays") == n, 20 + n, "all are found", daemon.alive, every=0.5)
    took = time.monotonic() - begin
    assert {u for u, in archive.query("SELECT url FROM relays")} == set(url)
    of_spam = "FROM candidate WHERE (url LIKE 'wss://x%%.com' OR domain = 'spam.net')"
    rows, probed = archive.query(f"SELECT count(*), count(*) FILTER (WHERE probed_at_ms > 0) {of_spam}")[0]
    assert rows <= 2 * 1000, "a thousand for the author, a thousand for the domain"
    assert probed <= 2 * 2 * 400, "2 % of an hour for each of them, if no new hour has begun"
    memory = next(int(line.split()[1]) for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(f"{n} relays found in {took:.1f} s beside {shouts} URLs of spam: {probed} of these probed, "
          f"{rows} rows, {archive.value('SELECT count(*) FROM mention_new')} mentions not "
          f"counted yet, {memory // 1024} MiB at most")
    lists.shutdown()
    daemon.stop()
