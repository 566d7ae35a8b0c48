"""Rules of retention: what is older than a rule keeps it is deleted by and by, never let in again, and counts as covered."""
from __future__ import annotations

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
    daemon.stop()

    # Deleted in steps while the daemon goes on; nothing is asked for again, and the proof stands.
    daemon.extra = "[retention wraps]\nkinds = 1059\nmax_age = 30d\n[retention never]\nkinds = 7\nmax_age = 0\n"
    daemon.start()
    until(lambda: kinds_older_than(archive, 30 * DAY) == {1} and 7 not in kinds_older_than(archive, 0), 30,
          "what is expired is gone", daemon.alive)
    likes = {e[0] for r in relays for e in r.servable() if e[2] == 7}
    assert archive.event_ids() == everything - wraps - likes and wraps and likes
    until(lambda: (s := daemon.status()["keeper"])["deleted_by_rules"] == len(wraps | likes) and not s["behind"], 20,
          "the status says so", daemon.alive)
    assert counted(archive) == stored(archive)
    assert archive.value("SELECT count(*) FROM sighting s CROSS JOIN unnest(s.keys) k "
                         "WHERE NOT EXISTS (SELECT FROM event e WHERE e.key = k)") == 0
    assert archive.value("SELECT count(*) FROM relay_coverage WHERE lo = 0") == 2
    assert dict(archive.query("SELECT name, events FROM retention")) == {"wraps": len(wraps), "never": len(likes)}

    # Read again from the beginning: not let in, counted, covered.
    archive.execute("DELETE FROM coverage")
    daemon.stop()
    daemon.start()
    until(lambda: archive.value("SELECT count(*) FROM relay_coverage WHERE lo = 0") == 2, 30, "all is proven again", daemon.alive)
    assert archive.event_ids() == everything - wraps - likes
    until(lambda: archive.value("SELECT sum(events)::int8 FROM relay_reject WHERE reason = 'retention'"), 10, "they are counted",
          daemon.alive)
    assert daemon.status()["keeper"]["deleted_by_rules"] == 0
    daemon.stop()

    # A rule that is taken out, and one that gives more time: what was proven of that time is not proven any more, so it is read again.
    daemon.extra = "[retention wraps]\nkinds = 1059\nmax_age = 3650d\n"
    daemon.start()
    until(lambda: archive.event_ids() == everything, 30, "all is there again", daemon.alive)
    daemon.complete(relays)
    assert "relays are read again" in daemon.log()
    daemon.stop()


def test_a_rule_must_say_how_long(world: World) -> None:
    daemon = world.daemon()
    daemon.extra = "[retention a]\nkinds = 1\n[retention b]\nmax_age = soon\n[retention c]\nmax_age = 1d\nkindz = 1\n"
    done = daemon.run("--check-config")
    assert done.returncode == 2
    assert "[retention a] needs max_age" in done.stderr and "[retention b] max_age" in done.stderr
    assert "[retention c]" in done.stderr and "kindz" in done.stderr
