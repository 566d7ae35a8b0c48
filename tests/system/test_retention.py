"""Rules of retention: what is older than a rule keeps it is deleted by and by, never let in again, and counts as covered."""
from __future__ import annotations

import json
import time

from conftest import World
from test_exclude import counted, stored
from world.archive import Archive
from world.process import until

DAY = 86400


def kinds_older_than(archive: Archive, age: int) -> set[int]:
    return {row[0] for row in archive.query("SELECT DISTINCT kind FROM events WHERE created_at < %s", int(time.time()) - age)}


def test_what_a_rule_excludes_goes_and_stays_out(world: World) -> None:
    now = int(time.time())
    old = {"n": 1500, "seed": 81, "kinds": "1,7,1059", "times": "uniform", "from": now - 400 * DAY, "to": now - 31 * DAY}
    new = {"n": 200, "seed": 82, "kinds": "1,7,1059", "times": "uniform", "from": now - 29 * DAY, "to": now - 3600}
    relays = world.farm.add({"cap": 100, "data": [{"mint": old}, {"mint": new}]}, {"cap": 60, "data": [{"mint": old}]})
    daemon = world.daemon(*relays).start()
    daemon.complete(relays)
    archive = daemon.archive()
    everything = archive.event_ids()
    wraps = {row[0] for row in archive.query("SELECT id FROM events WHERE kind = 1059 AND created_at < %s", now - 30 * DAY)}
    (author, _), *others = archive.query("SELECT pubkey, count(*) FROM events WHERE kind = 1 GROUP BY 1 ORDER BY 2 DESC")
    his = {row[0] for row in archive.query("SELECT id FROM events WHERE pubkey = %s AND kind = 1 AND created_at < %s", author, now - 90 * DAY)}
    assert others and his
    daemon.stop()

    # Deleted in steps while the daemon goes on; nothing is asked for again, and the proof stands.
    daemon.extra = (f"[retention wraps]\nkinds = 1059\nmax_age = 30d\n[retention never]\nkinds = 7\nmax_age = 0\n"
                    f"[retention author]\nauthors = {author}\nkinds = 1\nmax_age = 90d\n")
    daemon.start()
    likes = {e[0] for r in relays for e in r.servable() if e[2] == 7}
    left = everything - wraps - likes - his
    until(lambda: archive.event_ids() == left, 30, "what is expired is gone", daemon.alive)
    assert wraps and likes and kinds_older_than(archive, 30 * DAY) == {1} and 7 not in kinds_older_than(archive, 0)
    until(lambda: (s := daemon.status()["keeper"])["deleted_by_rules"] == len(everything - left) and not s["behind"], 20,
          "the status says so", daemon.alive)
    assert f"{len(everything - left)} events deleted by 3 rules\n" in daemon.bigbrotr("status").stdout
    assert counted(archive) == stored(archive)
    assert archive.value("SELECT count(*) FROM sighting s CROSS JOIN unnest(s.keys) k "
                         "WHERE NOT EXISTS (SELECT FROM event e WHERE e.key = k)") == 0
    assert archive.value("SELECT count(*) FROM relay_coverage WHERE lo = 0") == 2
    assert dict(archive.query("SELECT name, events FROM retention")) == {"wraps": len(wraps), "never": len(likes), "author": len(his)}

    # Read again from the beginning: not let in, counted, covered.
    archive.execute("DELETE FROM coverage")
    daemon.stop()
    daemon.start()
    until(lambda: archive.value("SELECT count(*) FROM relay_coverage WHERE lo = 0") == 2, 30, "all is proven again", daemon.alive)
    assert archive.event_ids() == left
    until(lambda: archive.value("SELECT sum(events)::int8 FROM relay_reject WHERE reason = 'retention'"), 10, "they are counted",
          daemon.alive)
    assert daemon.status()["keeper"]["deleted_by_rules"] == 0
    # Nor by hand.
    some = sorted(wraps | his)[:5] + sorted(left)[:1]
    lines = daemon.bigbrotr("fetch", relays[0].url, json.dumps({"ids": some})).stdout
    assert lines.count("\n") == 6
    done = daemon.bigbrotr("--json", "import", data=lines)
    assert json.loads(done.stdout) == {"read": 6, "stored": 0, "known": 1, "refused": 5} and done.stderr.count(": retention: ") == 5
    daemon.stop()

    # A rule that is taken out, and one that gives more time: what was proven of that time is not proven any more, so it is read again.
    daemon.extra = "[retention wraps]\nkinds = 1059\nmax_age = 3650d\n"
    daemon.start()
    until(lambda: archive.event_ids() == everything, 30, "all is there again", daemon.alive)
    daemon.complete(relays)
    assert "relays are read again" in daemon.log()
    daemon.stop()


def sightings(archive: Archive) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for relay, event in archive.query("SELECT relay_url, event_id FROM events_relays"):
        found.setdefault(relay, set()).add(event)
    return found


def test_a_rule_for_one_relay(world: World) -> None:
    """What was seen there goes, and events with the last of their sightings; whoever else has one, keeps it."""
    now = int(time.time())
    old = {"kinds": "1,7", "times": "uniform", "from": now - 300 * DAY, "to": now - 31 * DAY}
    both, alone = {"n": 400, "seed": 83, **old}, {"n": 300, "seed": 84, **old}
    new = {"n": 100, "seed": 85, "kinds": "1", "times": "uniform", "from": now - 29 * DAY, "to": now - 3600}
    one, other = world.farm.add({"data": [{"mint": both}, {"mint": alone}, {"mint": new}]}, {"data": [{"mint": both}]})
    daemon = world.daemon(one, other).start()
    daemon.complete([one, other])
    archive = daemon.archive()
    before = sightings(archive)
    assert before == {one.url: one.ids(), other.url: other.ids()}
    gone = {e[0] for e in one.servable() if e[2] == 1 and e[1] < now - 30 * DAY}
    imported = min(gone - other.ids())
    daemon.stop()

    daemon.extra = f"[retention bulk]\nkinds = 1\nmax_age = 30d\nrelays = {one.url}/ , wss://nobody.example.com\n"
    daemon.start()
    kept = one.ids() | other.ids()
    kept -= gone - other.ids()
    until(lambda: archive.event_ids() == kept, 30, "what only this relay had is gone", daemon.alive)
    until(lambda: sightings(archive) == {one.url: one.ids() - gone, other.url: other.ids()}, 20, "and its sightings", daemon.alive)
    assert counted(archive) == stored(archive)
    assert archive.value("SELECT events FROM retention WHERE name = 'bulk'") == len(gone - other.ids()) > 0
    assert archive.value("SELECT count(*) FROM relay_coverage WHERE lo = 0") == 2

    # Read again, and by import: the relay's are not let in, what comes from elsewhere is.
    archive.execute("DELETE FROM coverage")
    daemon.stop()
    daemon.start()
    until(lambda: archive.value("SELECT count(*) FROM relay_coverage WHERE lo = 0") == 2, 30, "all is proven again", daemon.alive)
    assert archive.event_ids() == kept and sightings(archive)[one.url] == one.ids() - gone
    done = daemon.bigbrotr("fetch", one.url, json.dumps({"ids": [imported]}))
    assert daemon.bigbrotr("import", data=done.stdout).returncode == 0
    assert imported in archive.event_ids(), "it was seen at no relay of the rule"
    archive.execute("UPDATE retention SET done_key = -1")
    daemon.stop()
    daemon.start()
    until(lambda: archive.value("SELECT done_key FROM retention") > 0, 20, "the rule has gone through all", daemon.alive)
    assert archive.event_ids() == kept | {imported}
    daemon.stop()

    # Without the rule that relay is read again; the other one is not.
    sent = other.record()["events_sent"]
    daemon.extra = ""
    daemon.start()
    until(lambda: sightings(archive) == before, 30, "all is there again", daemon.alive)
    assert other.record()["events_sent"] == sent, "what it was proven to hold is not asked for again"
    daemon.stop()


def test_a_rule_must_say_how_long(world: World) -> None:
    daemon = world.daemon()
    daemon.extra = "[retention a]\nkinds = 1\n[retention b]\nmax_age = soon\n[retention c]\nmax_age = 1d\nkindz = 1\n"
    done = daemon.run("--check-config")
    assert done.returncode == 2
    assert "[retention a] needs max_age" in done.stderr and "[retention b] max_age" in done.stderr
    assert "[retention c]" in done.stderr and "kindz" in done.stderr
