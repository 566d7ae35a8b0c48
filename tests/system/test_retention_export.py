"""A rule of retention with `export`: whole months go to files that are read back, then out of the archive; every event is in exactly one
file or in the archive, whatever happens."""
from __future__ import annotations

import calendar
import datetime
import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg2

from conftest import World
from test_exclude import counted, stored
from world.archive import Archive
from world.daemon import Daemon
from world.farm import Relay
from world.process import give, until

DAY = 86400
Event = tuple[Any, ...]
EVENTS = "SELECT id, pubkey, created_at, kind, tags, content, sig FROM events"


def month(before: int) -> tuple[str, int, int]:
    """A month (UTC) before this one: its name, its first and its last second."""
    now = datetime.datetime.now(datetime.timezone.utc)
    n = now.year * 12 + now.month - 1 - before
    begins, ends = (calendar.timegm((m // 12, m % 12 + 1, 1, 0, 0, 0)) for m in (n, n + 1))
    return f"{n // 12}-{n % 12 + 1:02}", begins, ends - 1


def minted(n: int, seed: int, kinds: str, before: int) -> dict[str, Any]:
    _, begins, ends = month(before)
    return {"mint": {"n": n, "seed": seed, "kinds": kinds, "content": "5-400", "times": "uniform", "from": begins, "to": ends}}


def archived(world: World, scale: int) -> tuple[Daemon, Relay, Archive, dict[str, Event], dict[str, Event]]:
    """An archive of one relay, complete, its daemon stopped: all events, and those that [retention old] below is about."""
    now = int(time.time())
    relay, = world.farm.add({"cap": 300, "data": [
        minted(2 * scale, 91, "1,7,1059", 4), minted(3 * scale, 92, "1,7,1059", 3),
        {"mint": {"n": 100, "seed": 93, "kinds": "1,7", "times": "uniform", "from": now - 20 * DAY, "to": now - 3600}}]})
    daemon = world.daemon(relay).start()
    daemon.complete([relay])
    archive = daemon.archive()
    everything = {row[0]: as_event(row) for row in archive.query(EVENTS)}
    daemon.stop()
    folder = daemon.home / "expired"
    folder.mkdir()
    give(folder)
    daemon.extra = f"[retention old]\nkinds = 1, 7\nmax_age = 45d\nexport = {folder}\n"
    last = month(3)[2]
    return daemon, relay, archive, everything, {i: e for i, e in everything.items() if e[3] in (1, 7) and e[2] <= last}


def as_event(row: Event) -> Event:
    tags = row[4] if isinstance(row[4], list) else json.loads(row[4])
    return (*row[:4], json.dumps(tags), *row[5:])


def manifest(folder: Path, rule: str = "old") -> list[dict[str, Any]]:
    path = folder / f"{rule}-manifest.json"
    return json.loads(path.read_text())["files"] if path.exists() else []


def exported(folder: Path, *rules: str) -> dict[str, Event]:
    """What the folder holds, after it was compared with what it says of itself."""
    found: dict[str, Event] = {}
    files = [entry for rule in rules for entry in manifest(folder, rule)]
    for entry in files:
        path = folder / entry["name"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
        assert path.stat().st_size == entry["bytes"] and entry["deleted"]
        text = subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, text=True, check=True).stdout
        events = [json.loads(line) for line in text.splitlines()]
        assert len(text.encode()) == entry["bytes_uncompressed"] and len(events) == entry["events"] > 0
        for e in events:
            assert list(e) == ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"]
            assert e["id"] not in found, f"{e['id']} is twice in files"
            assert datetime.datetime.fromtimestamp(e["created_at"], datetime.timezone.utc).strftime("%Y-%m") == entry["month"]
            found[e["id"]] = (e["id"], e["pubkey"], e["created_at"], e["kind"], json.dumps(e["tags"]), e["content"], e["sig"])
    made = {name for rule in rules for name in [f"{rule}.lock"] + [f"{rule}-manifest.json"] * bool(manifest(folder, rule))}
    assert {p.name for p in folder.iterdir()} == made | {entry["name"] for entry in files}
    return found


def coverage(archive: Archive) -> list[tuple[Any, ...]]:
    """Of all time but the last day, of which more is proven every second."""
    return archive.query("SELECT relay_url, filter, lo, least(hi, %s), grade FROM relay_coverage ORDER BY 1, 2, 3",
                         int(time.time()) // DAY * DAY - DAY)


def done(daemon: Daemon, archive: Archive, kept: set[str]) -> None:
    until(lambda: archive.event_ids() == kept and not daemon.status()["keeper"]["behind"], 30, "what is exported is gone", daemon.alive)


def test_months_go_to_files_that_are_read_back(world: World) -> None:
    daemon, relay, archive, everything, old = archived(world, 300)
    folder = daemon.home / "expired"
    assert len(old) > 700 and {e[3] for e in everything.values()} == {1, 7, 1059}
    daemon.start()
    proven = coverage(archive)
    done(daemon, archive, everything.keys() - old.keys())
    assert exported(folder, "old") == old, "all seven fields as they were archived"
    assert [f["name"] for f in manifest(folder)] == [f"old-{month(4)[0]}.jsonl.zst", f"old-{month(3)[0]}.jsonl.zst"]
    assert coverage(archive) == proven and counted(archive) == stored(archive)
    keeper = daemon.status()["keeper"]
    assert keeper["deleted_by_rules"] == keeper["exported"] == len(old) and keeper["export_stalled"] is None

    # Read again from the beginning: what is exported is not let in, and nothing more is exported.
    files = manifest(folder)
    archive.execute("DELETE FROM coverage")
    daemon.stop()
    daemon.start()
    until(lambda: archive.value("SELECT count(*) FROM relay_coverage WHERE lo = 0") == 1, 30, "all is proven again", daemon.alive)
    done(daemon, archive, everything.keys() - old.keys())
    assert manifest(folder) == files

    # Nor by hand, while the rule stands.
    text = subprocess.run(["zstd", "-dcq", str(folder / files[0]["name"])], capture_output=True, text=True, check=True).stdout
    refused = daemon.bigbrotr("--json", "import", data=text)
    assert json.loads(refused.stdout) == {"read": files[0]["events"], "stored": 0, "known": 0, "refused": files[0]["events"]}
    assert "retention" in refused.stderr
    daemon.stop()

    # Without the rule it is let in, and what was proven of the rule's time is asked for again.
    rule, daemon.extra = daemon.extra, ""
    daemon.start()
    assert daemon.bigbrotr("import", data=text).returncode == 0
    until(lambda: archive.event_ids() == everything.keys(), 30, "all is there again", daemon.alive)
    daemon.stop()

    # A file that was not done with when the rule was made to give more time: what it does not exclude any more stays.
    path = folder / "old-manifest.json"
    path.write_text(path.read_text().replace('"deleted": true', '"deleted": false'))
    daemon.extra = rule.replace("45d", "3650d")
    daemon.start()
    until(lambda: manifest(folder)[-1]["deleted"], 20, "it is done with", daemon.alive)
    assert archive.event_ids() == everything.keys() and "was not done with" in daemon.log()
    daemon.stop()


def test_killed_at_any_moment(world: World) -> None:
    """kill -9 while a file is written, between the file and the manifest, in the middle of the deletion, and between two months; with
    two rules that are about the same events."""
    daemon, relay, archive, everything, old = archived(world, 500)
    folder = daemon.home / "expired"
    daemon.extra += f"[retention notes]\nkinds = 1\nmax_age = 46d\nexport = {folder}\n"

    def left() -> int:
        try:
            return archive.value("SELECT count(*) FROM events WHERE kind IN (1, 7) AND created_at <= %s", month(3)[2])
        except psycopg2.Error:
            return len(old)

    moments = {
        "a file is being written": lambda: any(folder.glob("*.unchecked*")),
        "it stands in the manifest": lambda: manifest(folder)[-1:] and not manifest(folder)[-1]["deleted"],
        "some of it is deleted": lambda: left() < len(old) - 300,
        "the next one is being written": lambda: len(manifest(folder)) == 1 and any(folder.glob("*.unchecked*")),
        "that one is being deleted": lambda: len(manifest(folder)) == 2 and not manifest(folder)[1]["deleted"] and left() < 800,
    }
    for what, happened in moments.items():
        daemon.start(wait=False)
        until(happened, 30, what, daemon.alive, every=0.01)
        daemon.kill()
    daemon.start()
    done(daemon, archive, everything.keys() - old.keys())
    until(lambda: all(f["deleted"] for rule in ("old", "notes") for f in manifest(folder, rule)), 10, "the manifests say so", daemon.alive)
    assert exported(folder, "old", "notes") == old
    assert counted(archive) == stored(archive)
    daemon.stop()


def test_nothing_goes_that_cannot_be_exported(world: World) -> None:
    daemon, relay, archive, everything, old = archived(world, 100)
    folder = daemon.home / "expired"

    # At the start it is said at once, and what to do.
    good = daemon.extra
    for line, says in ((f"export = {folder}s", "make the folder"), ("export = expired", "whole path"),
                       (f"export = {daemon.home}/bigbrotr.ini", "is no folder"),
                       (f"export = {folder}\nrelays = wss://a.example.com", "do not go together")):
        daemon.extra = good.replace(f"export = {folder}", line)
        refused = daemon.run("--check-config")
        assert refused.returncode == 2 and says in refused.stderr, refused.stderr
    daemon.extra = good
    folder.chmod(0o500)
    refused = daemon.run()
    assert refused.returncode == 2 and "cannot be written to" in refused.stderr and str(folder) in refused.stderr

    # While it runs: nothing is deleted, and the status says why.
    folder.chmod(0o700)
    daemon.start(wait=False)
    until(lambda: (daemon.state / "postgres" / "postmaster.pid").exists(), 10, "it has looked at the folder", daemon.alive, every=0.002)
    folder.chmod(0o500)
    until(archive.answers, 30, "the database answers", daemon.alive)
    why = until(lambda: daemon.status()["keeper"]["export_stalled"], 20, "the status says that nothing is exported", daemon.alive)
    assert "Permission denied" in why and str(folder) in why and "[retention old]" in why
    assert f"stalled, deletes nothing: {why}\n" in daemon.bigbrotr("status").stdout
    assert archive.event_ids() == everything.keys() and not manifest(folder)
    daemon.process.send_signal(1)
    until(lambda: "not reloaded" in daemon.log() and "cannot be written to" in daemon.log(), 10, "a reload says it as well", daemon.alive)
    folder.chmod(0o700)
    done(daemon, archive, everything.keys() - old.keys())
    assert exported(folder, "old") == old and daemon.status()["keeper"]["export_stalled"] is None
    daemon.stop()

    # With `export` it keeps more than without: what was proven of that time is proven no more.
    for extra, says in (("\n".join(line for line in good.splitlines() if not line.startswith("export")) + "\n", 1), (good, 2)):
        daemon.extra = extra
        daemon.start()
        until(lambda: daemon.log(1000).count("relays are read again") == says, 10, "it is another rule", daemon.alive)
        daemon.stop()
