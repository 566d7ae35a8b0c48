"""The documents do what they say: every block in them is run, or judged by the program that it is for; one that cannot be fails.

Which kinds there are stands in tests/tidy/blocks.py; that there are no others is tests/tidy/docs.py, which also holds console transcripts
against what the programs can print.  Here: queries and commands against an archive of real events, configurations, units.
"""
from __future__ import annotations

import lzma
import re
import shutil
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, World
from world.daemon import Daemon, find_program
from world.farm import Relay
from world.process import give, until
from world.shell import Shell

sys.path.insert(0, str(ROOT / "tests" / "tidy"))
from blocks import Block, all_blocks, blocks, documents  # noqa: E402

RESEARCH = Path("docs/research.md")
# Of what an archive of two healthy relays has nothing: no relay is dying, no span is a gap.
EMPTY = {"What may be lost soon, by relay:", "Why spans could not be read:"}
# Commands of these would destroy what the others need.
LAST = [Path("docs/operate.md")]


def output(program: Path, *words: str) -> str:
    done = subprocess.run([str(program), *words], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{program.name} {words}: {done.stderr}"
    return done.stdout


def archive_of_real_events(world: World) -> tuple[Daemon, list[Relay]]:
    """Two relays, checked and archived; events of the last minutes, seen live at both; one that mentions a relay."""
    path = world.home / "events.jsonl"
    path.write_bytes(lzma.decompress((ROOT / "tests" / "data" / "events-real.jsonl.xz").read_bytes()))
    fresh = {"mint": {"n": 20, "seed": 5, "from": int(time.time()) - 600, "to": int(time.time()) - 60}}
    relays = world.farm.add({"data": [{"file": str(path)}, fresh], "write": {"ok": True}}, {"data": [{"file": str(path), "share": 0.5, "seed": 2}, fresh]})
    daemon = world.daemon(*relays)
    daemon.set("monitor", enabled="true", interval_clearnet="2s")
    # What events mention is counted, and nobody but the farm is dialled.
    (daemon.home / "deny.txt").write_text("network:clearnet\nnetwork:tor\n")
    (daemon.home / "allow.txt").write_text("127.0.0.0/8\n")
    daemon.set("finder", enabled="true", deny_file=daemon.home / "deny.txt", allow_file=daemon.home / "allow.txt")
    daemon.start()
    daemon.complete(relays)
    # One that is surely later at the second: what both hold may come from both within one millisecond.
    now = int(time.time())
    for relay in relays:
        ids = relay.publish(mint={"n": 1, "seed": 6, "from": now - 60, "to": now})
        until(lambda: daemon.archive().value("SELECT count(*) FROM events_relays WHERE relay_url = %s AND event_id = ANY(%s)", relay.url, ids) == 1, 30,
              "it is seen there", daemon.alive)
        time.sleep(0.01)
    until(lambda: daemon.archive().value("SELECT count(*) FROM readable_relays JOIN relay_uptime USING (relay_url)") == len(relays), 30,
          "all are checked", daemon.alive)
    until(lambda: daemon.archive().value("SELECT count(*) FROM candidates_by_state"), 30, "what is mentioned is counted", daemon.alive)
    return daemon, relays


class Values:
    """What the capital words of the documents stand for, in this archive."""

    def __init__(self, cursor: Any, relays: list[Relay]):
        def one(sql: str) -> str:
            cursor.execute(sql)
            row = cursor.fetchone()
            assert row, sql
            return str(row[0])
        self.spread = one("SELECT event_id FROM event_propagation WHERE delay_ms > 0 LIMIT 1")
        self.author = one("SELECT pubkey FROM events WHERE kind = 1 LIMIT 1")
        self.target = one("SELECT t ->> 1 FROM events e, jsonb_array_elements(e.tags) t WHERE t ->> 0 = 'e' AND length(t ->> 1) = 64 LIMIT 1")
        self.note = one("SELECT id FROM events WHERE kind = 1 ORDER BY id LIMIT 1")
        self.relay = relays[0].url

    def sql(self, block: Block) -> str:
        event = self.target if block.title.startswith("What answers") else self.spread
        text = block.text
        for name, value in (("AUTHOR", self.author), ("EVENT", event), ("RELAY", self.relay)):
            text = text.replace(f"'{name}'", f"'{value}'")
        return text


def judge_queries(cursor: Any, values: Values) -> None:
    """As the role that may only read."""
    shown = {block.above: block.text for block in all_blocks(ROOT, "text")}
    for block in all_blocks(ROOT, "sql"):
        cursor.execute("SET ROLE bigbrotr_reader")
        cursor.execute(values.sql(block))
        assert bool(cursor.fetchall()) != (block.title in EMPTY), f"{block}: rows or none?\n{values.sql(block)}"
        if block in shown:
            header = [name.strip() for name in shown[block].split("\n", 1)[0].split("|")]
            assert [column.name for column in cursor.description] == header, block
    cursor.execute("RESET ROLE")


def judge_names(cursor: Any) -> None:
    """Functions and relations that are named in passing or drawn; the tables of grades and reasons are whole."""
    people = [path for path in documents(ROOT) if path.parts[0] not in ("src", "tests")]  # those name functions in C, too
    text = "".join((ROOT / path).read_text() for path in people)
    called = set(re.findall(r"`(?:SELECT (?:\* FROM )?)?([a-z_]+)\([^`]*\)`", text)) - {"bigbrotr", "bigbrotrd"}
    for drawn in (block for path in people for block in blocks(ROOT, path) if block.language == "diagram"):
        bare = re.sub(r" {3,}\S.*$", "", drawn.text, flags=re.M)
        called |= set(re.findall(r"\b(?:relays?|events?|nip\d\d)_[a-z_]+\b", bare)) - {"event_id", "relay_url"}
    assert {"exclude", "event_json", "nostr_id", "tag", "relay_coverage"} <= called
    for name in called:
        cursor.execute("SELECT (SELECT count(*) FROM pg_class WHERE relname = %s) + (SELECT count(*) FROM pg_proc WHERE proname = %s)", (name, name))
        assert cursor.fetchone()[0] >= 1, name
    for table, heading in (("grade", "grade"), ("gap_reason", "reason")):
        cursor.execute(f"SELECT name FROM {table}")
        rows = re.search(rf"^\| {heading} \|.*\n\| --- .*\n((?:\|.*\n)+)", text, re.MULTILINE)
        assert rows is not None
        named = [name for row in rows[1].splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
        assert {row[0] for row in cursor.fetchall()} == set(named), table


def judge_commands(shell: Shell, values: Values, relays: list[Relay]) -> None:
    """sh: every command succeeds.  console: so does what stands behind a prompt, and its first line begins as shown."""
    def note(kind: str, key: str) -> str:
        return shell.daemon.bigbrotr("encode", kind, key).stdout.strip()
    npub, one = note("npub", values.author), note("note", values.note)
    for path in [*(path for path in documents(ROOT) if path not in LAST), *LAST]:
        for block in blocks(ROOT, path):
            text = block.text.replace("note1...", one).replace("npub1...", npub)
            if block.language == "ini" and "[backup]" in text:
                shell.daemon.extra += shell.place(text)
            elif block.language == "sh":
                text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", lambda _: a_moment(shell.daemon, relays), text)
                text = text.replace("wss://relay.example.com", values.relay)
                done = shell.run(text)
                assert done.returncode == 0, f"{block}:\n{text}\n{done.stdout}{done.stderr}"
            elif block.language == "console" and re.match(r"[$#] ", text):
                prompt, _, first = text.partition("\n")
                code, seen = shell.run_on_a_terminal(re.sub(r"wss://\S+", values.relay, prompt[2:]))
                assert code == 0, f"{block}:\n{seen}"
                begins = re.sub(r"\d.*|\s.*", "", first.lstrip("0123456789 "), flags=re.DOTALL)
                assert begins in seen or "packaging/" in prompt, f"{block}: {begins}\n{seen}"


def a_moment(daemon: Daemon, relays: list[Relay]) -> str:
    """To which an archive can be restored: something is written before it and after it."""
    for seed in (7001, 7002):
        now = int(time.time())
        ids = relays[0].publish(mint={"n": 3, "seed": seed + now, "from": now - 5, "to": now})
        until(lambda: daemon.archive().value("SELECT count(*) FROM events WHERE id = ANY(%s)", ids) == 3, 30, "they are archived", daemon.alive)
        if seed == 7001:
            time.sleep(1.1)
            moment = datetime.now(timezone.utc)
            time.sleep(1.1)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_what_needs_an_archive(world: World) -> None:
    daemon, relays = archive_of_real_events(world)
    with daemon.archive().session() as cursor:
        values = Values(cursor, relays)
        judge_queries(cursor, values)
        judge_names(cursor)
    shell = Shell(daemon, world.build)
    world.closers.append(shell.close)
    shutil.copy(world.home / "events.jsonl", shell.clone / "events-real.jsonl")
    (shell.home / "expired").mkdir()
    subprocess.run(["zstd", "-q", "-o", shell.home / "expired/old-2026-05.jsonl.zst", world.home / "events.jsonl"], check=True)
    (shell.clone / "event.jsonl").write_text((world.home / "events.jsonl").read_text().split("\n", 1)[0] + "\n")
    judge_commands(shell, values, relays)
    daemon.stop()


def test_there_are_five_and_twenty_queries() -> None:
    def counted(path: str) -> int:
        return sum(block.language == "sql" for block in blocks(ROOT, Path(path)))
    assert counted("README.md") == 5
    text = (ROOT / RESEARCH).read_text().split("## Twenty queries", 1)[1]
    assert text.count("```sql") == 20


def test_configurations_are_valid(world: World) -> None:
    """ini, and lists of relays.  Files that a configuration names are put in place, since they are looked at."""
    lists = all_blocks(ROOT, "relays")
    content = {"secret_key_file": "1" * 64 + "\n", "deny_file": lists[0].text, "allow_file": lists[0].text}
    daemon = world.daemon()
    ini = world.home / "documents.ini"
    daemon.write_ini = lambda: ini  # type: ignore[method-assign]
    found = all_blocks(ROOT, "ini")
    for number, block in enumerate(found + [Block(lists[0].path, lists[0].line, "ini", "[finder]\ndeny_file = x\n", "", None) for _ in lists]):
        lines = []
        for line in block.text.splitlines():
            key, _, value = (part.strip() for part in line.partition("="))
            if key.endswith("_file") and value:
                path = world.home / f"{number}-{key}"
                path.write_text(lists[number - len(found)].text if number >= len(found) else content.get(key, "a secret\n"))
                path.chmod(0o600)
                give(path)
                line = f"{key} = {path}"
            elif key == "export":
                path = world.home / f"{number}-{key}"
                path.mkdir()
                give(path)
                line = f"{key} = {path}"
            lines.append(line)
        ini.write_text("\n".join(lines) + "\n")
        done = daemon.run("--check-config")
        assert done.returncode == 0, f"{block}: {done.stderr}"
    ini.write_text(ini.read_text() + "\n[daemon]\nno_such_key = 1\n")
    assert daemon.run("--check-config").returncode == 2, "the check must be able to fail"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_units_are_valid(tmp_path: Path) -> None:
    """Each a drop-in for ours: systemd knows its sections and keys."""
    def verify(text: str) -> str:
        units = tmp_path / "units"
        shutil.rmtree(units, ignore_errors=True)
        (units / "bigbrotr.service.d").mkdir(parents=True)
        unit = (ROOT / "packaging/systemd/bigbrotr.service").read_text()
        (units / "bigbrotr.service").write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", unit, flags=re.MULTILINE))
        (units / "bigbrotr.service.d/override.conf").write_text(text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(units / "bigbrotr.service")], text=True, capture_output=True, timeout=60,
                              check=False)
        return "".join(line for line in done.stderr.splitlines(keepends=True) if "override.conf" in line)
    found = all_blocks(ROOT, "systemd")
    assert found
    for block in found:
        assert verify(block.text) == "", block
    assert "Nonsense" in verify(f"{found[0].text}\nNonsense=1\n"), "the check must be able to fail"


def test_prometheus_takes_what_is_shown(tmp_path: Path) -> None:
    for block in all_blocks(ROOT, "yaml"):
        if shutil.which("promtool") is None:
            pytest.skip("promtool is not installed")
        shutil.copy(ROOT / "etc/prometheus/bigbrotr.rules.yml", tmp_path)
        (tmp_path / "prometheus.yml").write_text(block.text)
        done = subprocess.run(["promtool", "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml")], text=True, capture_output=True,
                              timeout=60, check=False)
        assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"


def test_programs_commands_and_options_exist(build: Path) -> None:
    """As they are called in `..`: the words that follow the program, and each option, stand in its help or in the manual page."""
    manual = (ROOT / "docs/man/bigbrotr.1.scd").read_text() + (ROOT / "docs/man/bigbrotrd.8.scd").read_text()
    text = "".join((ROOT / path).read_text() for path in documents(ROOT))
    calls = sorted(set(re.findall(r"`(?:sudo )?(bigbrotrd?(?: [^`\n]*)?)`", text)))
    assert len(calls) >= 20
    for call in calls:
        name, *words = call.split()
        help_text = output(find_program(build, name), "--help")
        for word in words:
            if word.startswith("--"):
                assert re.search(rf"(^|[\s,[*]){re.escape(word)}\b", help_text + manual, re.MULTILINE), call
        words = [word for word in words if not word.startswith("-") and not re.search(r"[A-Z./\[]", word)]
        if name == "bigbrotr" and words:
            assert re.search(rf"^  {re.escape(words[0])}\b", help_text, re.MULTILINE), call
