"""System tests: the whole daemon against a farm of relays and a real PostgreSQL.

    BIGBROTR_BUILD=build/release python3 -m pytest tests/system            all
    python3 -m pytest tests/system --seeds 2000                            the invariant over more seeds
    python3 -m pytest tests/system -k invariant --seed 17                  one seed again
    python3 -m pytest tests/system --kills 500 --database-kills 100        the crash tests at length
    python3 -m pytest -s tests/system/test_finder.py -k every_relay --relays 2000 --spam 200000      and with --spam 0
    python3 -m pytest -s tests/system/test_real_tor.py --tor               a real onion service on a private Tor network

Every test gets a `world`: a directory of its own, a farm, and daemons as it wants them; all that it started is stopped, whatever
happens.  With KEEP=1 the directory stays.  What cannot be run on a machine is skipped with its reason.
"""
from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from world.daemon import Daemon, empty_archive, find_program
from world.farm import Farm, Relay
from world.process import MARK, give
from world.servers import Node

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=60, help="how many seeds test_invariant walks")
    parser.addoption("--first-seed", type=int, default=1, help="the first of them")
    parser.addoption("--seed", type=int, default=None, help="only this one")
    parser.addoption("--kills", type=int, default=15, help="kill -9 of the daemon")
    parser.addoption("--database-kills", type=int, default=10, help="kill -9 of PostgreSQL")
    parser.addoption("--relays", type=int, default=200, help="how many relays test_finder finds from one")
    parser.addoption("--spam", type=int, default=4000, help="URLs of a spammer beside them")
    parser.addoption("--mention-kills", type=int, default=4, help="kill -9 while mentions are counted")
    parser.addoption("--tor", action="store_true", help="also what needs a private Tor network (minutes)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """By hand only, so that it is no skipped test of every run."""
    return True if collection_path.name == "test_real_tor.py" and not config.getoption("--tor") else None


def pytest_configure(config: pytest.Config) -> None:
    """A time limit around the tests ends them by SIGTERM: what they started must still be stopped."""
    def interrupted(number: int, frame: object) -> None:
        raise KeyboardInterrupt(f"signal {number}")
    signal.signal(signal.SIGTERM, interrupted)


def build_dir() -> Path:
    named = os.environ.get("BIGBROTR_BUILD")
    places = [Path(named)] if named else [ROOT / "build" / name for name in ("release", "plain", "test")]
    for place in places:
        if place.is_dir():
            return place.resolve()
    pytest.exit(f"no build in {', '.join(map(str, places))}: set BIGBROTR_BUILD", returncode=2)


@pytest.fixture(scope="session")
def build() -> Path:
    return build_dir()


@pytest.fixture(scope="session")
def data() -> Iterator[Path]:
    """What all farms of a session share: minted events, certificates."""
    path = Path(tempfile.mkdtemp(prefix="bb-data-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


class World:
    def __init__(self, home: Path, build: Path, data: Path):
        self.home, self.build, self.data = home, build, data
        self.env = {k: v for k, v in os.environ.items() if k != MARK}
        self.farm = Farm(data, find_program(build, "mint"), self.env, home / "farm.log")
        self.closers: list[Callable[[], None]] = [self.farm.stop]
        self.daemons: list[Daemon] = []

    def daemon(self, *relays: Relay | str, name: str = "d", first_start: bool = False) -> Daemon:
        """A daemon with these relays as its seeds, not started.  Unless the test is about a first start, its archive was made before,
        once for all tests, and is empty."""
        home = self.home / name
        home.mkdir()
        home.chmod(0o755)
        try:
            tool = find_program(self.build, "bigbrotr")
        except FileNotFoundError:
            tool = None
        program = find_program(self.build, "bigbrotrd")
        daemon = Daemon(program, tool, home, self.farm.ready["dns"], None if first_start else self.empty_archive(program))
        daemon.seeds(*(r if isinstance(r, str) else r.url for r in relays))
        self.daemons.append(daemon)
        self.closers.append(daemon.end)
        return daemon

    def empty_archive(self, program: Path) -> Path:
        """Of this session."""
        home = self.data / "empty"
        return home / "state" / "postgres" if home.exists() else empty_archive(program, home)

    def node(self, script: str, *words: str) -> Node:
        node = Node(self.env, self.home / f"{Path(script).stem}.log", script, *words)
        self.closers.append(node.stop)
        return node

    def close(self) -> None:
        errors = []
        for closer in reversed(self.closers):
            try:
                closer()
            except Exception as error:  # noqa: BLE001  all of them must have their turn
                errors.append(error)
        if errors:
            raise errors[0]


@pytest.fixture
def world(build: Path, data: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    home = Path(tempfile.mkdtemp(prefix="bb-", dir="/tmp"))
    home.chmod(0o755)
    give(home)
    world = World(home, build, data)
    try:
        yield world
    finally:
        try:
            world.close()
        finally:
            failed = getattr(request.node, "failed_call", False)
            if failed:
                for daemon in world.daemons:
                    print(f"--- the end of {daemon.log_path}:\n{daemon.log(80)}")
            if os.environ.get("KEEP"):
                print(f"kept: {home}")
            else:
                shutil.rmtree(home, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    if call.when == "call":
        item.failed_call = outcome.get_result().failed  # type: ignore[attr-defined]
