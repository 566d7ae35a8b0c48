"""What leaves the archive stays out: purge, vanish, and requests to vanish (NIP-62), beside a daemon that goes on reading."""
from __future__ import annotations

import json
import time
from typing import Any

from conftest import World
from world.archive import Archive
from world.daemon import Daemon
from world.process import until

MINT = {"n": 400, "seed": 71, "kinds": "1,7", "content": "5-50", "authors": 4}


def nothing_is_left_of(archive: Archive, pubkey: str, upto: int = 1 << 60) -> bool:
    """Neither events, nor keys in sightings that no event explains."""
    events = archive.value("SELECT count(*) FROM events WHERE pubkey = %s AND created_at <= %s", pubkey, upto)
    orphans = archive.value("SELECT count(*) FROM sighting s CROSS JOIN unnest(s.keys) k "
                            "WHERE NOT EXISTS (SELECT FROM event e WHERE e.key = k)")
    return (events, orphans) == (0, 0)


def counted(archive: Archive) -> tuple[int, int]:
    return archive.query("SELECT sum(events)::int8, sum(sightings)::int8 FROM archive_count")[0]


def stored(archive: Archive) -> tuple[int, int]:
    return archive.query("SELECT (SELECT count(*) FROM event), (SELECT sum(cardinality(keys))::int8 FROM sighting)")[0]


def purge(daemon: Daemon, *words: str) -> dict[str, Any]:
    done = daemon.bigbrotr("--json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_purged_stays_out(world: World) -> None:
    relays = world.farm.add({"cap": 50, "data": [{"mint": MINT}]}, {"cap": 30, "data": [{"mint": MINT}]})
    daemon = world.daemon(*relays)
    daemon.set("synchronizer", poll_interval="1s", overlap="30d", live_max=0)
    daemon.start()
    daemon.complete(relays)
    archive = daemon.archive()
    ids = sorted(archive.event_ids())
    (author, by_author), *_ = archive.query("SELECT pubkey, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC")
    one = archive.value("SELECT id FROM events WHERE pubkey <> %s ORDER BY id LIMIT 1", author)

    # Nobody to ask: nothing happens without --yes.
    refused = daemon.bigbrotr("purge", one, "--reason", "test")
    assert refused.returncode == 2 and "--yes" in refused.stderr and one in archive.event_ids()
    unknown = daemon.bigbrotr("purge", "ab" * 32, "--reason", "test", "--yes")
    assert unknown.returncode == 2 and "note1" in unknown.stderr
    assert daemon.bigbrotr("purge", one).returncode == 2

    assert purge(daemon, "purge", one, "--reason", "illegal", "--yes") == {"what": "event", "value": one, "events": 1, "sightings": 2}
    npub = daemon.bigbrotr("encode", "npub", author).stdout.strip()
    gone = purge(daemon, "purge", npub, "--reason", "asked by letter", "--yes")
    assert (gone["what"], gone["events"], gone["sightings"]) == ("author", by_author, 2 * by_author)
    assert counted(archive) == stored(archive) == (len(ids) - 1 - by_author, 2 * (len(ids) - 1 - by_author))
    assert archive.query("SELECT what, encode(value, 'hex'), reason FROM tombstone ORDER BY made_at, what DESC") == [
        ("event", one, "illegal"), ("author", author, "asked by letter")]

    # All of it is read again, by this daemon and by one that knows nothing of it.
    archive.execute("DELETE FROM coverage")
    daemon.stop()
    daemon.start()
    until(lambda: archive.value("SELECT count(*) FROM relay_coverage WHERE lo = 0") == 2, 30, "all is proven again", daemon.alive)
    kept = archive.event_ids()
    assert kept == {row[0] for row in archive.query("SELECT id FROM events WHERE pubkey <> %s", author)} and one not in kept
    assert len(kept) == len(ids) - 1 - by_author and nothing_is_left_of(archive, author)
    assert counted(archive) == stored(archive)
    # Nor by hand.
    again = daemon.bigbrotr("fetch", relays[0].url, json.dumps({"ids": [one]})).stdout
    assert json.loads(again)["id"] == one
    done = daemon.bigbrotr("--json", "import", data=again)
    assert json.loads(done.stdout) == {"read": 1, "stored": 0, "known": 0, "refused": 1} and ": tombstone: " in done.stderr
    # Upkeep beside the daemon changes nothing of it.
    done = daemon.bigbrotr("--json", "maintenance", "--orphans", "--yes")
    assert done.returncode == 0 and "can be interrupted" in done.stderr, done.stderr
    assert (said := json.loads(done.stdout))["events_deleted"] == 0 and said["tables"] > 30 and said["days_ahead"] > 700
    assert archive.event_ids() == kept and counted(archive) == stored(archive)
    assert daemon.bigbrotr("maintenance").returncode == 2, "nobody to ask"
    # Said twice is no mistake.
    assert purge(daemon, "purge", author, "--reason", "again", "--yes")["events"] == 0
    daemon.stop()


def signed(daemon: Daemon, key: str, *drafts: dict[str, Any]) -> list[dict[str, Any]]:
    done = daemon.bigbrotr("event", "sign", "--key", key, data="".join(json.dumps(d) + "\n" for d in drafts))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_who_asks_all_relays_is_forgotten(world: World) -> None:
    relay, other = world.farm.add({"data": [{"mint": {"n": 50, "seed": 72}}]}, {"data": [{"mint": {"n": 5, "seed": 73}}]})
    daemon = world.daemon(relay, other)
    daemon.set("archive", vanish="ignore")
    mine, yours = str(daemon.home / "mine"), str(daemon.home / "yours")
    me, _ = (json.loads(daemon.bigbrotr("--json", "key", "generate", path).stdout)["pubkey"] for path in (mine, yours))
    t = int(time.time()) - 5000  # the request is of now, so that a live tail brings it
    old = signed(daemon, mine, *({"kind": 1, "created_at": t + i, "content": f"note {i}"} for i in range(300)),
                 {"kind": 62, "created_at": t + 10, "content": "", "tags": [["relay", "wss://one.example.com"]]})
    wraps = signed(daemon, yours, *({"kind": 1059, "created_at": t + i, "content": "x", "tags": [["p", me]]} for i in range(3)),
                   {"kind": 1, "created_at": t, "content": "a mention", "tags": [["p", me]]})
    later = signed(daemon, mine, {"kind": 1, "created_at": t + 9000, "content": "back again"})
    request = signed(daemon, mine, {"kind": 62, "created_at": t + 5001, "content": "", "tags": [["relay", "ALL_RELAYS"]]})
    ids = [{e["id"] for e in some} for some in (old, wraps, later, request)]
    for place in (relay, other):
        place.publish(lines=[json.dumps(e) for e in old + wraps + later])
    daemon.start()
    daemon.complete([relay, other])
    archive = daemon.archive()
    assert ids[0] | ids[1] | ids[2] <= archive.event_ids()
    # Asked for: kept as an event while it is not honoured.  A request to a single relay is none of ours.
    relay.publish(lines=[json.dumps(e) for e in request])
    until(lambda: ids[3] <= archive.event_ids(), 20, "the request is there", daemon.alive)
    assert archive.query("SELECT encode(pubkey, 'hex'), until, done_at FROM vanish_request") == [(me, t + 5001, None)]
    daemon.set("archive", vanish="honour")
    daemon.stop()
    daemon.start()
    until(lambda: archive.value("SELECT done_at FROM vanish_request"), 20, "it is carried out", daemon.alive)
    assert archive.event_ids() & set.union(*ids) == ids[2] | {wraps[3]["id"]}
    assert nothing_is_left_of(archive, me, t + 5001)
    assert archive.value("SELECT events FROM vanish_request") == len(old) + 3 + 1
    # Whoever brings it again, also to an archive that reads everything anew; what is new is archived.
    archive.execute("DELETE FROM coverage")
    daemon.stop()
    daemon.start()
    fresh = signed(daemon, mine, {"kind": 1, "created_at": t + 9001, "content": "and once more"})
    other.publish(lines=[json.dumps(e) for e in request + fresh])
    until(lambda: fresh[0]["id"] in archive.event_ids(), 20, "what is new is there", daemon.alive)
    until(lambda: archive.value("SELECT count(*) FROM relay_coverage WHERE lo = 0") == 2, 30, "all is proven again", daemon.alive)
    assert archive.event_ids() & set.union(*ids) == ids[2] | {wraps[3]["id"]}
    assert counted(archive) == stored(archive)

    # By hand, up to a time; then the rest.
    gone = purge(daemon, "vanish", me, "--until", str(t + 9000), "--reason", "a letter", "--yes")
    assert (gone["events"], gone["until"]) == (1, t + 9000) and fresh[0]["id"] in archive.event_ids()
    npub = daemon.bigbrotr("encode", "npub", me).stdout.strip()
    assert purge(daemon, "vanish", npub, "--until", "2100-01-01", "--reason", "all of it", "--yes")["events"] == 1
    assert nothing_is_left_of(archive, me)
    daemon.stop()
