"""The commands of the documents, run by a shell in a place of their own: paths of the system lead into the home of the daemon under test,
and programs that would change the machine have a stand-in (stand_in.py)."""
from __future__ import annotations

import ast
import contextlib
import json
import os
import pty
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from .daemon import Daemon
from .process import MARK, as_unprivileged, give, unprivileged

ROOT = Path(__file__).resolve().parents[3]
STAND_IN = Path(__file__).with_name("stand_in.py")


def stand_ins() -> tuple[str, ...]:
    names = re.search(r"^NAMES = (\(.*?\))$", STAND_IN.read_text(), re.MULTILINE | re.DOTALL)
    assert names is not None
    return ast.literal_eval(names[1])  # type: ignore[no-any-return]


class Shell:
    def __init__(self, daemon: Daemon, build: Path):
        self.daemon, self.home = daemon, daemon.home
        self.bin, self.clone, self.etc = self.home / "bin", self.home / "clone", self.home / "etc"
        for path in (self.bin, self.etc, self.clone / "packaging", self.home / ".local/state"):
            path.mkdir(parents=True)
        give(self.clone)  # a person's own folder: programs that stand for them write there
        for name in stand_ins():
            (self.bin / name).symlink_to(STAND_IN)
        for name in ("run", "test", "demo", "deb"):
            (self.clone / "packaging" / name).symlink_to(STAND_IN)
        shutil.copytree(ROOT / "packaging/container", self.clone / "packaging/container")
        for name in ("etc", "tests"):
            (self.clone / name).symlink_to(ROOT / name)
        (self.home / ".local/state/bigbrotr").symlink_to(daemon.state)
        user = unprivileged()
        inherited = {name: value for name, value in daemon.env.items() if name != MARK}  # it marks what the daemon may not leave behind
        self.env = {**inherited, "HOME": str(self.home), "PATH": f"{self.bin}:{os.environ['PATH']}", "DOC_BUILD": str(build),
                    "DOC_INI": str(self.home / "bigbrotr.ini"), "DOC_SYSTEMD": str(self.home / "systemd.sock"),
                    "DOC_AS_USER": json.dumps(as_unprivileged([])), "DOC_USER": json.dumps([user.pw_uid, user.pw_gid]),
                    # For createuser and its kin: a server where a person may do all.
                    "PGHOST": str(daemon.state / "run"), "PGUSER": "bigbrotr", "PGDATABASE": "bigbrotr"}
        self.systemd = socket.socket(socket.AF_UNIX)
        self.systemd.bind(self.env["DOC_SYSTEMD"])
        self.systemd.listen()
        threading.Thread(target=self.be_systemd, daemon=True).start()

    def place(self, text: str) -> str:
        """Paths of the system as they are here."""
        for path, here in (("/var/lib/bigbrotr", self.daemon.state), ("/etc/bigbrotr", self.etc), ("/srv/backups", self.home / "backups"),
                           ("/srv/expired", self.home / "expired"),
                           ("/usr/bin/python3", "python3"), ("/usr/share/doc/libbigbrotr-dev", ROOT / "docs")):
            text = text.replace(path, str(here))
        return text

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        """Every command must succeed.  What asks for a password reads it from here."""
        self.daemon.write_ini()
        return subprocess.run(["bash", "-euo", "pipefail", "-c", self.place(text)], cwd=self.clone, env=self.env, input="secret\nsecret\n", text=True,
                              capture_output=True, timeout=120, check=False, start_new_session=True)

    def run_on_a_terminal(self, text: str) -> tuple[int, str]:
        """The same as a person sees it: exit code, and what stood on the screen."""
        ours, theirs = pty.openpty()
        self.daemon.write_ini()
        process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", self.place(text)], cwd=self.clone, env={**self.env, "TERM": "xterm"},
                                   stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        seen = b""
        with os.fdopen(ours, "rb", buffering=0) as screen, contextlib.suppress(OSError):  # the other side of a terminal is gone
            while part := screen.read(65536):
                seen += part
        return process.wait(120), seen.decode()

    def be_systemd(self) -> None:
        """Services are ours: what `systemctl` asks for happens to the daemon under test."""
        while True:
            try:
                asking, _ = self.systemd.accept()
            except OSError:
                return
            with asking, asking.makefile() as words:
                try:
                    said = self.systemctl(json.loads(words.readline()))
                except Exception as error:  # noqa: BLE001  whatever it is, the one who asks shall say it
                    said = str(error) or repr(error)
                asking.sendall(said.encode())

    def systemctl(self, words: list[str]) -> str:
        verb, units = words[0], [word for word in words[1:] if word != "--now"]
        for unit in units:
            name = unit if "." in unit else f"{unit}.service"
            if not (ROOT / "packaging/systemd" / name).exists():
                return f"no unit {name}"
        if verb in ("daemon-reload", "list-timers"):
            return ""
        if verb == "enable" and units == ["bigbrotr-backup.timer"]:
            return self.back_up() if "--now" in words else ""
        if verb == "enable" and "--now" in words:
            verb = "start"
        if units != ["bigbrotr"] or verb not in ("start", "stop", "restart"):
            return "what is that?"
        if verb in ("stop", "restart") and self.daemon.process is not None:
            self.daemon.stop()
        if verb in ("start", "restart") and self.daemon.process is None:
            self.daemon.start()
        return ""

    def back_up(self) -> str:
        """What the timer's service does."""
        unit = (ROOT / "packaging/systemd/bigbrotr-backup.service").read_text()
        start = re.search(r"^ExecStart=/usr/bin/bigbrotr -c \S+ (.*)$", unit, re.MULTILINE)
        assert start is not None
        done = self.daemon.bigbrotr(*start[1].split())
        return "" if done.returncode == 0 else done.stderr

    def close(self) -> None:
        self.systemd.close()
