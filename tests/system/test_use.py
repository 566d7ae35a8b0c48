"""What people do with an archive: SQL as a role that may only read."""
from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from conftest import World
from world.daemon import Daemon
from world.process import as_unprivileged


@pytest.fixture
def filled(world: World) -> Iterator[Daemon]:
    relays = world.farm.add({"data": [{"mint": {"n": 300, "seed": 31, "kinds": "0,1,5,7"}}]},
                            {"data": [{"mint": {"n": 300, "seed": 31, "kinds": "0,1,5,7"}, "share": 0.5}]})
    daemon = world.daemon(*relays).start()
    daemon.complete(relays)
    yield daemon
    daemon.stop()


def test_sql(filled: Daemon) -> None:
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
    command = as_unprivileged(["env", "PATH=/nowhere", str(filled.tool), "-c", str(filled.write_ini()), "sql"])
    no_psql = subprocess.run(command, text=True, check=False, capture_output=True, env=filled.env)
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
