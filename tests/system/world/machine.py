"""A machine with a systemd of its own: this one's root with a layer of memory over it, and our unit in it, in namespaces of their own.

Nothing reaches this machine but the network, which is shared.  It boots in a second, since of the units that are installed only the
journal is started.  MachineError says what is missing where it cannot be done (root, systemd, cgroup2, overlays).
"""
from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

from .process import until

SYSTEMD = next((path for path in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if os.access(path, os.X_OK)), "")
BOOT = r"""
set -e
top=$1; root=$top/root
mount -t tmpfs tmpfs "$top"
mkdir "$top/upper" "$top/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
rm -rf "$root"/etc/systemd/system/*.wants "$root"/lib/systemd/system/*.wants "$root"/etc/systemd/system-generators
rm -rf "$root"/lib/systemd/system-generators/* "$root/var/log/journal"
mkdir -p "$root/etc/systemd/system/sysinit.target.wants"
ln -s /lib/systemd/system/systemd-journald.service "$root/etc/systemd/system/sysinit.target.wants/"
# Not chroot: the kernel gives who is in one no user namespaces, which PrivateUsers= needs.
cd "$root" && mkdir -p old && pivot_root . old && umount -l old && rmdir old
mount --make-rshared / # as systemd does where it is in no container: credentials are mounted by another process
echo ready
read -r go
exec "$2" --system --unit=basic.target --show-status=no
"""


class MachineError(Exception):
    """This machine does not allow it; the text says why."""


def cgroup2() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2" and "rw" in fields[3].split(","):
            return Path(fields[1])
    raise MachineError("no cgroup2 is mounted")


class Machine:
    def __init__(self, home: Path):
        if os.geteuid() != 0:
            raise MachineError("needs root")
        missing = [program for program in ("unshare", "nsenter", "systemctl") if shutil.which(program) is None]
        if not SYSTEMD or missing:
            raise MachineError(f"not installed: {', '.join(missing) or 'systemd'}")
        self.top = home / "machine"
        self.top.mkdir()
        self.group = cgroup2() / f"bigbrotr-{uuid.uuid4().hex[:12]}"
        try:
            self.group.mkdir()
        except OSError as error:
            raise MachineError(f"no cgroup can be made: {error}") from None
        self.console = home / "console.log"
        command = ["sh", "-c", 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"', "sh", str(self.group),
                   "unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child",
                   "env", "-i", "container=test", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", BOOT, "sh", str(self.top), SYSTEMD]
        with self.console.open("wb") as console:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=console, text=True)
        assert self.process.stdin is not None and self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            self.close()
            raise MachineError(f"no layer over the root can be made: {self.console.read_text().strip()}")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.init = int(children[0])

    def path(self, path: str) -> Path:
        """Seen through the namespace of its first process, before it boots as well."""
        return Path(f"/proc/{self.init}/root{path}")

    def boot(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        until(lambda: self.run("systemctl", "is-active", "basic.target", check=False) == "active\n", 30, "it has booted")

    def run(self, *command: str, check: bool = True) -> str:
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["nsenter", "-t", str(self.init), "--mount", "--pid", "--ipc", "--uts", "--cgroup", *command], env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def show(self, unit: str, key: str) -> str:
        return self.run("systemctl", "show", "--value", "-p", key, unit).strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "-o", "short-monotonic", "-u", unit, check=False)

    def processes(self, unit: str) -> list[int]:
        """Numbers as they are in the machine."""
        group = self.show(unit, "ControlGroup")  # none when it does not run
        listed = self.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs", check=False) if group else ""
        return [int(line) for line in listed.split()]

    def kill(self, sign: str, pids: list[int]) -> None:
        self.run("sh", "-c", f"kill -{sign} {' '.join(map(str, pids))}")

    def close(self) -> None:
        with contextlib.suppress(AttributeError, ProcessLookupError):
            os.kill(self.init, signal.SIGKILL)  # and with it all that runs there
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait(20)
        for folder, _, _ in os.walk(self.group, topdown=False):
            until(lambda f=folder: rmdir(f), 5, f"{folder} is empty", every=0.02)  # type: ignore[misc]


def rmdir(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
