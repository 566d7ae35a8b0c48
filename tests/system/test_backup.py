"""Backups: made under load, restored to a second after everything was killed; of a server of one's own; and what is refused."""
from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from conftest import World
from test_database import server_archive, use_server, wait_complete
from world.archive import Archive, assert_exact, examine, exact
from world.daemon import Daemon
from world.process import give, until
from world.servers import Postgres


def folder(world: World) -> Path:
    path = world.home / "backups"
    path.mkdir()
    give(path)
    return path


def backup(daemon: Daemon, *words: str) -> dict[str, Any]:
    done = daemon.bigbrotr("--json", "backup", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_under_load_killed_and_restored_to_a_second(world: World) -> None:
    kept = folder(world)
    mint = {"n": 3000, "seed": 91, "times": "bursty", "kinds": "1,7,6,30023", "content": "10-100"}
    relays = world.farm.add(*({"cap": 40, "reply_delay_ms": 150, "data": [{"mint": mint, "share": 0.8, "seed": i}]} for i in range(4)))
    daemon = world.daemon(*relays)
    daemon.set("backup", dir=kept)
    daemon.start()
    archive = daemon.archive()
    until(lambda: archive.value("SELECT count(*) FROM events") > 300, 30, "it is under load", daemon.alive)
    before = archive.value("SELECT count(*) FROM events")
    made = backup(daemon)
    assert made["log"] and Path(made["backup"]).parent == kept and made["bytes"] > 1 << 20
    assert archive.value("SELECT count(*) FROM events") > before, "it goes on meanwhile"

    # A second, and what was there: from the next one on nothing of it may be seen.
    time.sleep(1.1 - time.time() % 1)
    second = int(time.time())
    then = archive.event_ids()
    time.sleep(1)
    relays[0].publish(mint={"n": 10, "seed": 93, "from": second + 1, "to": second + 40})
    until(lambda: archive.event_ids() - then, 30, "there is more after it", daemon.alive)
    logs = sum(1 for _ in kept.glob("wal/*/*.gz"))
    archive.execute("SELECT pg_switch_wal()")
    until(lambda: sum(1 for _ in kept.glob("wal/*/*.gz")) > logs, 20, "the log is kept", daemon.alive)
    daemon.kill()

    # Never over an archive that is there; nor before the first backup.
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
    refused = daemon.bigbrotr("restore", str(kept), "--until", at)
    assert refused.returncode == 2 and "mv " in refused.stderr
    shutil.rmtree(daemon.state / "postgres")
    refused = daemon.bigbrotr("restore", str(kept), "--until", "2020-01-01")
    assert refused.returncode == 2 and "before that time" in refused.stderr
    refused = daemon.bigbrotr("restore", str(kept), "--until", "2099-01-01")
    assert refused.returncode == 2 and "ends before that time" in refused.stderr and not (daemon.state / "postgres").exists()

    done = daemon.bigbrotr("--json", "restore", str(kept), "--until", at)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"backup": made["backup"], "log": True, "until": second}
    assert not (daemon.state / "restore").exists()
    # As it was in that second: with relays that say nothing, so that nothing is added.
    for relay in relays:
        relay.change(reply_delay_ms=60000)
    daemon.start()
    assert archive.event_ids() <= then and len(archive.event_ids()) >= before
    verified = daemon.bigbrotr("--json", "verify")
    assert verified.returncode == 0 and json.loads(verified.stdout)["bad"] == 0
    with archive.session() as cursor:
        assert not exact(cursor)
        assert not [str(f) for f in (examine(cursor, r) for r in relays) if f.faults]
    daemon.stop()
    # And it goes on from there, with its log on a line of its own: another backup, as far as the log goes.
    for relay in relays:
        relay.change(reply_delay_ms=0)
    daemon.start()
    daemon.complete(relays)
    assert_exact(archive, relays)
    assert backup(daemon, "--keep", "1")["removed"] == 1
    assert len(list(kept.glob("2*Z"))) == 1 and not list(kept.glob("*.part"))
    daemon.stop()
    shutil.rmtree(daemon.state / "postgres")
    assert daemon.bigbrotr("restore", str(kept)).returncode == 0
    daemon.start()
    assert_exact(archive, relays)
    daemon.stop()


def test_without_a_log_as_it_was(world: World) -> None:
    """A single backup elsewhere; refusals that say what to do."""
    one, = world.farm.add({"data": [{"mint": {"n": 60, "seed": 92}}]})
    daemon = world.daemon(one)
    kept = str(folder(world))
    assert daemon.bigbrotr("backup").returncode == 2
    refused = daemon.bigbrotr("backup", kept)
    assert refused.returncode != 0 and "bigbrotrd" in refused.stderr
    daemon.start()
    daemon.complete([one])
    # What is not its own stays; so does what it has just made, when a wrong clock has named another one later.
    others = [Path(kept, "film.mkv.part"), Path(kept, "20990101T000000Z")]
    for other in others:
        other.mkdir()
        give(other)
    made = backup(daemon, kept, "--keep", "1")
    assert not made["log"] and Path(made["backup"]).is_dir() and all(other.is_dir() for other in others)
    for other in others:
        other.rmdir()
    refused = daemon.bigbrotr("restore", kept)
    assert refused.returncode == 2
    daemon.stop()
    moved = daemon.state / "postgres.old"
    (daemon.state / "postgres").rename(moved)
    refused = daemon.bigbrotr("restore", kept, "--until", "2099-01-01")
    assert refused.returncode == 2 and "[backup] dir" in refused.stderr
    # What was changed after it was made is noticed.
    file = next(Path(made["backup"]).glob("base/*/PG_VERSION"))
    content = file.read_bytes()
    file.write_bytes(b"99\n")
    assert daemon.bigbrotr("restore", kept).returncode == 1 and not (daemon.state / "postgres").exists()
    file.write_bytes(content)
    done = daemon.bigbrotr("restore", made["backup"])
    assert done.returncode == 0, done.stderr
    daemon.start()
    assert_exact(daemon.archive(), [one])
    daemon.stop()


def test_server_of_ones_own(world: World) -> None:
    """By pg_dump and pg_restore, into an empty database only; the password stands on no command line."""
    server = Postgres(world.home, world.env)
    world.closers.append(server.stop)
    one, = world.farm.add({"data": [{"mint": {"n": 60, "seed": 94}}]})
    daemon = world.daemon(one)
    use_server(daemon, server, "sslmode=require")
    daemon.start(wait=False)
    archive = server_archive(server)
    wait_complete(daemon, archive, [one])
    daemon.stop()
    kept = str(folder(world))
    made = backup(daemon, kept)
    refused = daemon.bigbrotr("restore", kept)
    assert refused.returncode == 2 and "not empty" in refused.stderr
    server.sql("CREATE DATABASE other OWNER archivist", "postgres")
    daemon.set("database", url=daemon.ini["database"]["url"].replace("/archive?", "/other?"))
    assert daemon.bigbrotr("restore", kept, "--until", "2099-01-01").returncode == 2
    done = daemon.bigbrotr("restore", made["backup"])
    assert done.returncode == 0, done.stderr
    other = Archive(url=server.local_url.replace("dbname=archive", "dbname=other"))
    assert_exact(other, [one])
    daemon.start(wait=False)
    until(lambda: daemon.log_path.read_text().count("ready: your server") == 2, 30, "the daemon goes on in it", daemon.alive)
    wait_complete(daemon, other, [one])
    daemon.stop()
