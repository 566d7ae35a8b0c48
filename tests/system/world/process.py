"""Starting programs as an unprivileged user, finding all that descends from them, and waiting for a condition.

PostgreSQL refuses to run as root, and so should the daemon: when the tests run as root, programs are started as `nobody`.  What
belongs to a test is known by a mark in its environment, which every child inherits, or by the folder that it works in: PostgreSQL's
backends write their titles where their environment was.  So "no process is left" can be proven even for processes that were orphaned or
made a session of their own.
"""
from __future__ import annotations

import contextlib
import os
import pwd
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
MARK = "BIGBROTR_TEST_MARK"


def unprivileged() -> pwd.struct_passwd:
    """The user that daemons run as."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def as_unprivileged(command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return command
    user = unprivileged()
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs", "--", *command]


def give(path: str | os.PathLike[str]) -> None:
    """Makes the unprivileged user the owner."""
    if os.geteuid() == 0:
        user = unprivileged()
        os.chown(path, user.pw_uid, user.pw_gid)


def marked(mark: str, state: Path) -> dict[int, str]:
    """Living processes that carry the mark, or work in the state directory: pid -> command."""
    found = {}
    needle = f"{MARK}={mark}".encode()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as f:
                if needle not in f.read().split(b"\0") and not Path(os.readlink(f"/proc/{entry}/cwd")).is_relative_to(state):
                    continue
            with open(f"/proc/{entry}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                    continue
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                found[int(entry)] = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def kill_marked(mark: str, state: Path) -> None:
    tell(signal.SIGKILL, list(marked(mark, state)))


def tell(number: int, pids: list[int]) -> None:
    """A signal to all of them that still are: one or the other may just have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def standing_still(pids: list[int]) -> Iterator[None]:
    tell(signal.SIGSTOP, pids)
    try:
        yield
    finally:
        tell(signal.SIGCONT, pids)


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(condition: Callable[[], T], timeout: float, what: str, alive: Callable[[], None] | None = None, every: float = 0.1) -> T:
    """Polls until the condition is true and returns its value; AssertionError with `what` when the time is over."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if alive is not None:
            alive()
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what} (last: {value!r})")
        time.sleep(every)
