"""Where commands could say that all is well and it is not: an output that takes nothing, an input that breaks off, times beyond all clocks,
a relay that ends everything with one message, a writer beside who deletes."""
from __future__ import annotations

import contextlib
import json
import subprocess
import threading

from conftest import World
from world.daemon import Daemon
from world.process import as_unprivileged, until


def into(daemon: Daemon, path: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = as_unprivileged([str(daemon.tool), "-c", str(daemon.write_ini()), *words])
    with open(path, "w") as out:
        return subprocess.run(command, env=daemon.env, cwd=daemon.home, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)


def reading(daemon: Daemon, path: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = as_unprivileged([str(daemon.tool), "-c", str(daemon.write_ini()), *words])
    return subprocess.run(["sh", "-c", 'exec "$@" < "$0"', path, *command], env=daemon.env, cwd=daemon.home, capture_output=True, text=True,
                          timeout=60, check=False)


def signed(daemon: Daemon, times: list[int]) -> str:
    key = daemon.home / "key"
    if not key.exists():
        assert daemon.bigbrotr("key", "generate", str(key)).returncode == 0
    drafts = "".join(json.dumps({"kind": 1, "created_at": at, "tags": [], "content": str(at)}) + "\n" for at in times)
    done = daemon.bigbrotr("event", "sign", "--key", str(key), data=drafts)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_times_beyond_all_clocks(world: World) -> None:
    """More than a window of them share the last second that keys know."""
    daemon = world.daemon()
    daemon.start()
    lines = signed(daemon, [1700000000, 1700000001, *(2147483647 + i for i in range(2100))])
    assert daemon.bigbrotr("import", data=lines).returncode == 0
    ids = {json.loads(line)["id"] for line in lines.splitlines()}
    exported = [json.loads(line)["id"] for line in daemon.bigbrotr("export").stdout.splitlines()]
    assert len(exported) == len(ids) and set(exported) == ids
    assert daemon.bigbrotr("verify").stdout.startswith("2102 events checked, 0 bad")
    # None was ever seen at a relay.
    done = json.loads(daemon.bigbrotr("--json", "maintenance", "--orphans", "--yes").stdout)
    assert done["events_deleted"] == 2102 and daemon.archive().value("SELECT sum(events) FROM archive_count") == 0
    daemon.stop()


def test_an_orphan_that_is_being_seen_stays(world: World) -> None:
    """A writer knows that the event is there, and is about to write that a relay holds it, too."""
    relay, = world.farm.add({"data": [{"mint": {"n": 60, "seed": 77}}]})
    daemon = world.daemon(relay)
    daemon.start()
    daemon.complete([relay])
    archive = daemon.archive()
    archive.execute("CREATE TABLE seen AS SELECT * FROM sighting")
    archive.execute("DELETE FROM sighting")
    writer = archive.connect()
    deleted: list[int] = []

    def delete() -> None:
        with contextlib.closing(archive.connect()) as connection, connection.cursor() as own:
            own.execute("SELECT delete_orphan_events()")
            deleted.append(own.fetchone()[0])
            connection.commit()
    with writer.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(7, -2)")
        deleter = threading.Thread(target=delete)
        deleter.start()
        until(lambda: archive.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 1, 30,
              "it waits for the writer")
        cursor.execute("INSERT INTO sighting SELECT * FROM seen")
        writer.commit()
        deleter.join(30)
    writer.close()
    assert deleted == [0] and archive.value("SELECT count(*) FROM event") == 60
    daemon.stop()


def test_a_start_that_the_database_refuses(world: World) -> None:
    """It answers, and has no room: said, and tried again."""
    first, second = world.farm.add(*({"data": [{"mint": {"n": 20, "seed": 79}}]} for _ in range(2)))
    daemon = world.daemon(first)
    daemon.start()
    daemon.complete([first])
    daemon.archive().execute("CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$;"
                             "CREATE TRIGGER no_room BEFORE INSERT ON relays FOR EACH STATEMENT EXECUTE FUNCTION no_room()")
    daemon.stop()
    daemon.seeds(first.url, second.url)
    daemon.start(wait=False)
    until(lambda: "the relays cannot be loaded, trying again: " in daemon.log(), 30, "it says so", daemon.alive)
    daemon.archive().execute("DROP TRIGGER no_room ON relays")
    daemon.complete([first, second])
    daemon.stop()


def test_an_output_that_takes_nothing(world: World) -> None:
    daemon = world.daemon()
    daemon.start()
    for words in (["--version"], ["--help"], ["status"], ["--json", "status"], ["--json", "relays"], ["verify"],
                  ["encode", "note", "00" * 32], ["--json", "maintenance", "--yes"]):
        done = into(daemon, "/dev/full", *words)
        assert done.returncode == 1 and done.stderr.count("standard output did not take all of it: No space left on device") == 1, (words, done)
    daemon.stop()


def test_an_input_that_breaks_off(world: World) -> None:
    relay, = world.farm.add({})
    daemon = world.daemon()
    daemon.start()
    for words in (["import"], ["event", "verify"], ["event", "id"], ["publish", relay.url]):
        done = reading(daemon, "/tmp", *words)
        assert done.returncode == 1 and "standard input cannot be read further: Is a directory" in done.stderr, (words, done)
    for words in (["import", "events.jsonl"], ["export", "--kind", "1"], ["fetch", "--limit", "0", relay.url], ["fetch", relay.url, '{"limit":0}']):
        assert reading(daemon, "/dev/null", *words).returncode == 2, words
    daemon.stop()


def test_one_message_ends_the_session(world: World) -> None:
    relay, good = world.farm.add({"data": [{"mint": {"n": 30, "seed": 78}}], "huge": {"bytes": 3000000}}, {"data": [{"mint": {"n": 30, "seed": 78}}]})
    daemon = world.daemon()
    author = json.loads(daemon.bigbrotr("fetch", "--limit", "1", good.url).stdout)["pubkey"]
    for words in (["fetch", relay.url], ["plan", relay.url], ["rescue", "--from", relay.url, "--from", good.url, author]):
        done = daemon.bigbrotr(*words)
        assert done.returncode in (0, 1, 3), (words, done)
    assert good.url not in done.stderr or done.stdout
