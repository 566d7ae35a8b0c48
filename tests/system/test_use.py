"""What people do with an archive: SQL as a role that may only read, lists, filters, a report."""
from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from conftest import World
from world.daemon import Daemon
from world.process import as_unprivileged, give, until

Event = dict[str, Any]
NAME = "<script>alert(1)</script> & 'Söhne' \x01"


@pytest.fixture
def filled(world: World) -> Iterator[Daemon]:
    relays = world.farm.add({"data": [{"mint": {"n": 300, "seed": 31, "kinds": "0,1,5,7"}}]},
                            {"data": [{"mint": {"n": 300, "seed": 31, "kinds": "0,1,5,7"}, "share": 0.5}], "nip11": {"name": NAME, "supported_nips": [1, 50, 77]}})
    daemon = world.daemon(*relays)
    daemon.set("monitor", enabled="true", interval_clearnet="2s")
    daemon.start()
    daemon.complete(relays)
    daemon.urls = [relay.url for relay in relays]  # type: ignore[attr-defined]
    yield daemon
    daemon.stop()


def wanted(event: Event, where: dict[str, Any]) -> bool:
    """NIP-01, by another hand."""
    return (event["id"] in where.get("ids", [event["id"]]) and event["pubkey"] in where.get("authors", [event["pubkey"]])
            and event["kind"] in where.get("kinds", [event["kind"]])
            and where.get("since", 0) <= event["created_at"] <= where.get("until", 2**62)
            and all(any(tag[:1] == [key[1:]] and tag[1:2] and tag[1] in values for tag in event["tags"])
                    for key, values in where.items() if key.startswith("#")))


def test_sql_lists_filters_and_a_report(filled: Daemon) -> None:
    check_sql(filled)
    check_relays(filled)
    check_events(filled)
    check_report(filled)
    check_release(filled)


def check_relays(filled: Daemon) -> None:
    first, second = filled.urls  # type: ignore[attr-defined]

    def checked() -> bool:
        rows = json.loads(filled.bigbrotr("--json", "relays").stdout)
        return {row["url"] for row in rows} == {first, second} and all(row["uptime_30d"] == 100 for row in rows)
    until(checked, 30, "both were checked", filled.alive)
    rows = {row["url"]: row for row in json.loads(filled.bigbrotr("--json", "relays", "--state", "healthy").stdout)}
    assert rows[first]["proven_from"] == 0 and rows[first]["gaps"] == 0 and rows[first]["last_check"] > 1_700_000_000
    assert rows[first]["events_new"] + rows[second]["events_new"] == 300
    text = filled.bigbrotr("relays", "--network", "clearnet").stdout.splitlines()
    assert len(text) == 3 and text[0].split()[0] == "state"
    assert all(line.startswith("healthy   clearnet ") and " 100.0 % " in line and " all " in line for line in text[1:])
    assert json.loads(filled.bigbrotr("--json", "relays", "--network", "tor").stdout) == []
    assert filled.bigbrotr("relays", "--state", "dead").returncode == 2


def check_events(filled: Daemon) -> None:
    everything = [json.loads(line) for line in filled.bigbrotr("export").stdout.splitlines()]
    everything.sort(key=lambda event: (-event["created_at"], event["id"]))
    some, tag = everything[17], next(tag for event in everything for tag in event["tags"] if len(tag) > 1)
    other = next(event for event in everything if event["pubkey"] != some["pubkey"])
    middle = everything[150]["created_at"]
    at_second = {row[0] for row in filled.archive().query("SELECT event_id FROM events_relays WHERE relay_url = %s",
                                                          filled.urls[1])}  # type: ignore[attr-defined]
    npub, note = (filled.bigbrotr("encode", *words).stdout.strip() for words in (("npub", some["pubkey"]), ("note", some["id"])))
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, []),
        ({"ids": [some["id"], other["id"], "0" * 64]}, ["--id", f"{note},{other['id']}"]),
        ({"authors": [some["pubkey"], other["pubkey"]], "kinds": [1, 7]}, ["--author", npub, "--author", other["pubkey"], "--kind", "1,7"]),
        ({"kinds": [0, 5]}, ["--kind", "0", "--kind", "5"]),
        ({f"#{tag[0]}": [tag[1], "no such value"]}, ["--tag", f"{tag[0]}={tag[1]}"]),
        ({f"#{tag[0]}": [tag[1]], "authors": [some["pubkey"]]}, ["--tag", f"{tag[0]}={tag[1]}", "--author", npub]),
        ({"since": middle, "kinds": [1]}, ["--since", str(middle), "--kind", "1"]),
        ({"until": middle}, ["--until", str(middle)]),
        ({"kinds": [60000]}, ["--kind", "60000-60001"]),
    ]
    for where, words in cases:
        expected = [event for event in everything if wanted(event, where)]
        assert expected or 60000 in where.get("kinds", []), where
        for limit in (None, 7):
            for relay in (None, filled.urls[1]):  # type: ignore[attr-defined]
                seen = [event for event in expected if relay is None or event["id"] in at_second][:limit]
                extra = ["--relay", relay] if relay else []
                full = {**where, "limit": limit} if limit is not None else where
                for call in (["events", json.dumps(full), *extra], ["events", *words, *extra, *(["--limit", "7"] if limit else [])]):
                    done = filled.bigbrotr(*call)
                    assert done.returncode == 0, f"{call}: {done.stderr}"
                    assert [json.loads(line) for line in done.stdout.splitlines()] == seen, call
    both = filled.bigbrotr("events", '{"kinds":[1]}', "--author", npub).stdout
    assert [json.loads(line) for line in both.splitlines()] == [e for e in everything if e["kind"] == 1 and e["pubkey"] == some["pubkey"]]
    for bad in ('{"kinds":[70000]}', '{"kinds":1}', '{"search":"x"}', '{"authors":["xyz"]}', '{"x":[]}', "[]", "{", '{"#t":[1]}',
                '{"ids":[]}', '{"#long":["x"]}'):
        refused = filled.bigbrotr("events", bad)
        assert refused.returncode == 2 and refused.stderr and not refused.stdout, bad
    assert "content ILIKE" in filled.bigbrotr("events", '{"search":"x"}').stderr
    for words in (["--tag", "t"], ["--tag", "t="], ["--author", "npub1x"], ["--since", "soon"], ["--relay", "https://x"], ["--limit", "-1"]):
        assert filled.bigbrotr("events", *words).returncode == 2, words


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert all(not name.startswith("on") and name not in ("src", "href") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def check_report(filled: Daemon) -> None:
    done = filled.bigbrotr("report", filled.urls[1])  # type: ignore[attr-defined]
    assert done.returncode == 0, done.stderr
    page = Page(done.stdout)
    assert "script" not in page.tags and NAME.replace("\x01", "") in page.text.replace("\ufffd", "")
    facts = json.loads(filled.bigbrotr("--json", "report", filled.urls[1]).stdout)  # type: ignore[attr-defined]
    assert facts["share"]["only_here"] == 0 and facts["share"]["of"] > 100 and facts["uptime"]["ever"] == 100
    assert facts["contradictions"] and all(text in page.text for text in facts["contradictions"])
    first = json.loads(filled.bigbrotr("--json", "report", filled.urls[0]).stdout)  # type: ignore[attr-defined]
    assert first["share"]["only_here"] == 300 - facts["share"]["of"]
    assert filled.bigbrotr("report", "wss://nobody.relay-example.com").returncode == 1


def check_release(filled: Daemon) -> None:
    key = filled.home / "key"
    filled.bigbrotr("key", "generate", str(key))

    def signed(**draft: Any) -> str:
        return filled.bigbrotr("event", "sign", "--key", str(key), data=json.dumps(draft) + "\n").stdout
    regretted = signed(kind=1, created_at=1_000_000, content="regretted")
    article = signed(kind=30023, created_at=1_600_000_000, tags=[["d", "x:y"]])
    expired = signed(kind=1, created_at=1_600_000_001, tags=[["expiration", "1600000002"]])
    by = json.loads(article)["pubkey"]
    asked = signed(kind=5, created_at=1_700_000_000, tags=[["e", json.loads(regretted)["id"]], ["a", f"30023:{by}:x:y"]])
    later = signed(kind=1, created_at=99_999_999_999, content="from the future")
    kept = filled.bigbrotr("import", data=regretted + article + expired + asked + later)
    assert kept.returncode == 0, kept.stderr
    target = filled.home / "release"
    done = filled.bigbrotr("--json", "release", str(target))
    assert done.returncode == 0, done.stderr
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=target, check=False).returncode == 0
    listed = {line.split()[1] for line in (target / "SHA256SUMS").read_text().splitlines()}
    assert listed | {"SHA256SUMS"} == {path.name for path in target.iterdir()}
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest == json.loads(done.stdout)
    everything = filled.bigbrotr("export").stdout.splitlines()
    released: list[str] = []
    for name in sorted(name for name in listed if name.startswith("events-")):
        lines = unpacked(target / name)
        times = {json.loads(line)["created_at"] for line in lines}
        if name[7:11].isdigit():
            assert {time.strftime("%Y-%m", time.gmtime(t)) for t in times} <= {name[7:14]}
        assert next(file["events"] for file in manifest["files"] if file["name"] == name) == len(lines)
        released += lines
    asks = [event for event in map(json.loads, everything) if event["kind"] == 5]
    gone = {(tag[1], event["pubkey"]) for event in asks for tag in event["tags"] if tag[:1] == ["e"] and len(tag) > 1}
    expected = [line for line in everything if line + "\n" not in (article, expired)
                and ((event := json.loads(line))["kind"] == 5 or (event["id"], event["pubkey"]) not in gone)]
    assert sorted(released) == sorted(expected) and regretted.strip() not in released and asked.strip() in released
    assert manifest["events"] == len(expected) and manifest["withheld"] == len(everything) - len(expected) >= 3
    assert sum(manifest["kinds"].values()) == len(expected)
    spans = [json.loads(line) for line in unpacked(target / "coverage.jsonl.zst")]
    assert {span["relay"] for span in spans} == set(filled.urls) and min(span["lo"] for span in spans) == 0  # type: ignore[attr-defined]
    # Interrupted behind the third file: the same again ends with the same bytes, and makes no file twice.
    half = filled.home / "half.partial"
    half.mkdir()
    give(half)
    first = {"as_of": manifest["as_of"], "coverage": manifest["coverage"]}
    (half / "progress").write_text("".join(json.dumps(row) + "\n" for row in [first, *manifest["files"][:5]]) + '{"name":"cut')
    for file in manifest["files"][:4]:
        (half / file["name"]).write_bytes((target / file["name"]).read_bytes())
    give(half / "progress")
    before = (half / manifest["files"][3]["name"]).stat().st_mtime_ns
    again = filled.bigbrotr("release", str(filled.home / "half"))
    assert again.returncode == 0 and "4 files are done" in again.stderr, again.stderr
    for name in listed | {"SHA256SUMS"}:
        assert (filled.home / "half" / name).read_bytes() == (target / name).read_bytes(), name
    assert (filled.home / "half" / manifest["files"][3]["name"]).stat().st_mtime_ns == before
    assert filled.bigbrotr("release", str(target)).returncode == 2, "nothing is written over"


def unpacked(path: Path) -> list[str]:
    return subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, text=True, check=True).stdout.splitlines()


def check_sql(filled: Daemon) -> None:
    def sql(*words: str) -> subprocess.CompletedProcess[str]:
        return filled.bigbrotr("sql", "-X", "-At", *words)
    done = sql("-c", "SELECT current_user, count(*) FROM events")
    assert done.stdout == "bigbrotr_reader|300\n", done.stderr
    for statement in ("DELETE FROM events", "SET default_transaction_read_only = off; DELETE FROM events",
                      "SELECT secret FROM archive"):
        refused = sql("-c", statement)
        assert refused.returncode != 0 and ("read-only" in refused.stderr or "permission denied" in refused.stderr)
    assert sql("-c", "SHOW statement_timeout").stdout == "10min\n"
    # Statements may come from standard input, and a person's own options stay.
    filled.env["PGOPTIONS"] = "-c work_mem=3MB"
    assert filled.bigbrotr("sql", "-At", data="SHOW work_mem; SELECT current_user").stdout == "3MB\nbigbrotr_reader\n"
    # Nobody sees where it connects to, and with what.
    assert sql("-c", r"\! tr '\0' ' ' < /proc/$PPID/cmdline").stdout.split("psql ", 1)[1].startswith("-d service=bigbrotr -X ")
    program, *words = as_unprivileged([str(filled.tool), "-c", str(filled.write_ini()), "sql"])
    no_psql = subprocess.run([shutil.which(program) or program, *words], text=True, check=False, capture_output=True,
                             env={**filled.env, "PATH": "/nowhere"})
    assert no_psql.returncode == 1 and "apt install postgresql-client" in no_psql.stderr


def test_sql_without_the_role(world: World) -> None:
    """A server where the archive's owner may not make roles: it says what to run, and works when that was done."""
    daemon = world.daemon()
    daemon.start()
    owner = daemon.archive()
    owner.execute("DROP OWNED BY bigbrotr_reader")
    owner.execute("DROP ROLE bigbrotr_reader")
    owner.execute("CREATE ROLE plain LOGIN")
    owner.execute("CREATE DATABASE plain OWNER plain")
    other = world.daemon(name="other")
    other.set("database", url=f"postgresql://plain:secret@/plain?host={daemon.state / 'run'}")
    assert other.run("--init", within=60).returncode == 0
    said = other.bigbrotr("sql", "-c", "SELECT 1")
    assert said.returncode == 1 and "no role" in said.stderr
    for line in (line.strip() for line in said.stderr.splitlines() if line.endswith(";")):
        owner.execute(line)
    done = other.bigbrotr("sql", "-X", "-Atc", "SELECT current_user, current_database(), count(*) FROM events")
    assert done.stdout == "bigbrotr_reader|plain|0\n", done.stderr
    daemon.stop()
