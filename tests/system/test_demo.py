"""packaging/demo shows the daemon and its archive on this machine alone, and leaves nothing, also when it is interrupted."""
from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT
from world.process import MARK, kill_marked, marked, until


class Demo:
    """Its temporary directory is below one of ours, its processes carry a mark."""

    def __init__(self, build: Path):
        self.home, self.mark = Path(tempfile.mkdtemp(prefix="bb-demo-", dir="/tmp")), uuid.uuid4().hex
        self.home.chmod(0o755)
        self.command = [str(ROOT / "packaging" / "demo"), "--build", str(build)]
        self.env = {**os.environ, "TMPDIR": str(self.home), "TERM": "xterm", MARK: self.mark}

    def left(self) -> list[str]:
        return [*marked(self.mark, self.home).values(), *map(str, self.home.iterdir())]


@pytest.fixture
def demo(build: Path) -> Iterator[Demo]:
    demo = Demo(build)
    yield demo
    kill_marked(demo.mark, demo.home)
    shutil.rmtree(demo.home, ignore_errors=True)


def test_a_look_at_all_of_it(demo: Demo) -> None:
    done = subprocess.run([*demo.command, "--seconds", "5"], env=demo.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "27 relays accepted" in done.stderr
    assert not re.search(r"relay: wss://(?!r\d+\.farm-relay\.com)", done.stderr), "it dials nobody but the farm"
    shown = re.split(r"^\$ bigbrotr -c \S+ ", done.stdout, flags=re.MULTILINE)
    assert [part.split()[0] for part in shown[1:]] == ["status", "relays", "sql", "sql", "sql"]
    assert "archiving for" in shown[1] and "private, PostgreSQL" in shown[1]
    assert re.search(r"^healthy +clearnet +\d+ .* wss://r", shown[2], re.MULTILINE)
    assert re.search(r"^ +1 \|", shown[3], re.MULTILINE) and "walk" in shown[4]
    assert re.search(r"^Its page: http://127\.0\.0\.1:\d+/ ", done.stdout, re.MULTILINE)
    assert "archived" in done.stderr.splitlines()[-2], done.stderr
    assert demo.left() == []


def test_interrupted_it_ends_all_of_it(demo: Demo) -> None:
    """On a terminal the daemon's screen is shown; Ctrl-C goes to whoever is in the foreground."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(demo.command[0], demo.command, demo.env)
    seen = b""

    def read() -> bytes:
        nonlocal seen
        with contextlib.suppress(OSError):
            seen += os.read(terminal, 65536)
        return seen
    try:
        until(lambda: b" archiving, " in read() and b" coverage " in seen, 60, "the screen is there", every=0.05)
        os.write(terminal, b"\x03")
        until(lambda: b" is gone" in read(), 30, "it has ended", every=0.05)
        assert b" archived " in seen.split(b"ending the daemon", 1)[1], seen
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert demo.left() == []
    finally:
        os.close(terminal)
