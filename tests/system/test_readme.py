"""README.md does what it says: each of its queries runs against an archive of real events and has the columns that are shown, each of
its configurations is valid, each program, command, option and key that it names exists."""
from __future__ import annotations

import lzma
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, World
from world.daemon import find_program
from world.process import give, until

README = (ROOT / "README.md").read_text()
FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
BLOCKS = {language: [text for name, text in FENCES if name == language] for language in ("sql", "ini", "text", "sh")}
# A query and what it printed, where that follows at once.
SHOWN = re.findall(r"^```sql\n(.*?)^```\n```text\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def output(program: Path, *words: str) -> str:
    done = subprocess.run([str(program), *words], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{program.name} {words}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def example(build: Path) -> str:
    return output(find_program(build, "bigbrotrd"), "--example")


def test_there_are_five_queries_with_output() -> None:
    assert len(SHOWN) >= 5 and len(SHOWN) == len(BLOCKS["sql"])


def test_queries_run_and_look_as_shown(world: World) -> None:
    path = world.home / "events.jsonl"
    path.write_bytes(lzma.decompress((ROOT / "tests" / "data" / "events-real.jsonl.xz").read_bytes()))
    relays = world.farm.add({"data": [{"file": str(path)}]}, {"data": [{"file": str(path), "share": 0.5, "seed": 2}]})
    daemon = world.daemon(*relays)
    daemon.set("monitor", enabled="true", interval_clearnet="2s")
    daemon.start()
    daemon.complete(relays)
    until(lambda: daemon.archive().value("SELECT count(*) FROM readable_relays JOIN relay_uptime USING (relay_url)") == len(relays), 30,
          "all are checked", daemon.alive)
    with daemon.archive().session() as cursor:
        for sql, shown in SHOWN:
            cursor.execute(sql)
            header = [name.strip() for name in shown.split("\n", 1)[0].split("|")]
            assert [column.name for column in cursor.description] == header, sql
            assert cursor.fetchall(), f"no rows: {sql}"
        # Functions and relations that the text names in passing.
        cursor.execute(re.search(r"`(SELECT \* FROM relay_newest[^`]*)`", README)[1])  # type: ignore[index]
        called = set(re.findall(r"`(?:SELECT )?([a-z_]+)\([^`]*\)`", README))
        assert {"exclude", "event_json", "nostr_id", "tag"} <= called
        for function in called:
            cursor.execute("SELECT count(*) FROM pg_proc WHERE proname = %s", (function,))
            assert cursor.fetchone()[0] >= 1, function
        for table, heading in (("grade", "grade"), ("gap_reason", "reason")):
            cursor.execute(f"SELECT name FROM {table}")
            assert {row[0] for row in cursor.fetchall()} == set(first_column(heading))
    daemon.stop()


def first_column(heading: str) -> list[str]:
    """The names in the first column of the table that is headed so."""
    table = re.search(rf"^\| {heading} \|.*\n\| --- .*\n((?:\|.*\n)+)", README, re.MULTILINE)
    assert table is not None
    return [name for row in table[1].splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


ENTRIES = next(block for block in BLOCKS["text"] if "network:i2p" in block)
CONTENT = {"secret_key_file": "1" * 64 + "\n", "deny_file": ENTRIES, "allow_file": ENTRIES}


@pytest.mark.parametrize("number", range(len(BLOCKS["ini"])))
def test_configuration_is_valid(world: World, number: int) -> None:
    """Files that it names are put in place, since they are looked at."""
    lines = []
    for line in BLOCKS["ini"][number].splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key.endswith("_file") and value:
            path = world.home / f"{number}-{key}"
            path.write_text(CONTENT.get(key, "a secret\n"))
            path.chmod(0o600)
            give(path)
            line = f"{key} = {path}"
        lines.append(line)
    daemon = world.daemon()
    path = world.home / "readme.ini"
    path.write_text("\n".join(lines) + "\n")
    daemon.write_ini = lambda: path  # type: ignore[method-assign]
    done = daemon.run("--check-config")
    assert done.returncode == 0, done.stderr
    path.write_text(path.read_text() + "\n[daemon]\nno_such_key = 1\n")
    assert daemon.run("--check-config").returncode == 2, "the check must be able to fail"


def test_programs_commands_and_options_exist(build: Path) -> None:
    """As they are called in `..` and behind a prompt."""
    calls = re.findall(r"`(bigbrotrd?(?: [^`\n]*)?)`", README) + re.findall(r"^\$ (bigbrotrd? .*)$", README, re.MULTILINE)
    assert len(calls) >= 8
    for call in calls:
        name, *words = call.split()
        help_text = output(find_program(build, name), "--help")
        for word in words:
            if not re.fullmatch(r"-{0,2}[a-z][a-z-]*", word):
                break
            assert re.search(rf"(^|[\s,[]){re.escape(word)}\b", help_text, re.MULTILINE), call


def test_files_exist() -> None:
    paths = re.findall(r"(?<![\w/.-])(?:\./)?((?:packaging|tests|src|etc|subprojects)/[\w./-]*[\w/])", README)
    assert len(paths) >= 6
    for path in paths:
        assert (ROOT / path).exists(), path


def test_keys_exist(example: str) -> None:
    sections: dict[str, set[str]] = {}
    section = ""
    for line in example.splitlines():
        if match := re.match(r"\[(\w+)\]$", line):
            section = match[1]
        elif match := re.match(r"#?([a-z0-9_]+) =", line):
            sections.setdefault(section, set()).add(match[1])
    named = re.findall(r"`\[(\w+)\] (\w+)`", README)
    assert len(named) >= 4
    for section, key in named:
        assert key in sections[section], f"[{section}] {key}"
    for environment in re.findall(r"BIGBROTR_([A-Z0-9_]+)=", README):
        section, key = environment.lower().split("_", 1)
        assert key in sections[section], environment


def test_architecture_names_every_file() -> None:
    text = (ROOT / "src" / "README.md").read_text()
    for path in sorted((ROOT / "src").rglob("*.c")):
        assert f"`{path.name}`" in text, path
    for name in set(re.findall(r"`([\w]+\.(?:c|h|def|py))`", text)):
        assert [p for top in ("src", "include") for p in (ROOT / top).rglob(name)], f"{name} is not there (any more)"
