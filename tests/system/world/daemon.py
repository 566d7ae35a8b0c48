"""bigbrotrd under test: its configuration, its life, its log, and the proof that nothing is left of it.

The defaults here make time short (retries in fractions of a second, silence given up after a second) so that no test waits for a real
minute; a test that is about one of these values sets it.
"""
from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

from . import process
from .archive import Archive, all_complete, describe
from .farm import Relay
from .process import as_unprivileged, give, kill_marked, marked, until

Ini = dict[str, dict[str, Any]]


def default_ini(home: Path, dns_port: int) -> Ini:
    return {
        "daemon": {"state_dir": home / "state", "workers": 2},
        "database": {"batch_age": "100ms"},
        "initializer": {"seed_file": home / "seeds.txt", "priority_file": home / "priority.txt"},
        "synchronizer": {
            "poll_interval": "1h", "retry_min": "200ms", "retry_max": "2s", "idle_timeout": "1s", "request_timeout": "20s",
            "gap_retry": "1h",
        },
        "monitor": {"enabled": "false"},
        "finder": {"enabled": "false"},
        "network": {
            "allow_addresses": "127.0.0.0/8", "host_connect_interval": "10ms", "connects_per_second": 1000, "proxy_tor": "none",
            "dns_servers": f"127.0.0.1:{dns_port}", "dns_timeout": "2s", "connect_timeout": "3s", "tls_timeout": "5s",
            "upgrade_timeout": "2s", "overlay_timeout": "5s",
        },
        "archive": {"disk_free_min": "0%"},
        "http": {"listen": f"unix:{home / 'http.sock'}", "health_listen": ""},
        "log": {"level": "info"},
    }


def find_program(build: Path, name: str) -> Path:
    for place in (build / name, build / "src" / name, *sorted(build.rglob(name))):
        if place.is_file() and os.access(place, os.X_OK):
            return place
    raise FileNotFoundError(f"{name} is not built in {build}")


class Daemon:
    """One state directory and the daemons that run in it, one after the other."""

    def __init__(self, program: Path, tool: Path | None, home: Path, dns_port: int, empty: Path | None = None,
                 env: dict[str, str] | None = None):
        self.program, self.tool, self.home = program, tool, home
        self.empty = empty  # an archive without relays that it begins with; None: it makes its own
        self.mark = uuid.uuid4().hex
        self.env = {**os.environ, "HOME": str(home), **(env or {}), process.MARK: self.mark}
        for name in list(self.env):
            if name.startswith(("PG", "BIGBROTR_")) and name != process.MARK:
                del self.env[name]
        self.ini = default_ini(home, dns_port)
        self.extra = ""  # sections with a name of their own: [filter NAME], [relay URL]
        self.state = home / "state"
        self.log_path = home / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.run_as_root = False
        (home / "priority.txt").write_text("# none\n")
        self.state.mkdir(exist_ok=True)
        give(home)
        give(self.state)

    # --- configuration

    def set(self, section: str, **keys: Any) -> None:
        self.ini.setdefault(section, {}).update(keys)

    def seeds(self, *urls: str) -> None:
        (self.home / "seeds.txt").write_text("".join(f"{url}\n" for url in urls))

    def write_ini(self) -> Path:
        lines = []
        for section, keys in self.ini.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {value}" for key, value in keys.items() if value is not None]
        path = self.home / "bigbrotr.ini"
        path.write_text("\n".join(lines) + "\n" + self.extra)
        path.chmod(0o640)
        give(path)
        return path

    # --- life

    def command(self, *words: str) -> list[str]:
        command = [str(self.program), "-c", str(self.write_ini()), *words]
        return command if self.run_as_root else as_unprivileged(command)

    def start(self, wait: bool = True) -> "Daemon":
        assert self.process is None, "it runs already"
        if self.empty is not None and "url" not in self.ini["database"] and not (self.state / "postgres").exists():
            subprocess.run(["cp", "-a", "--sparse=always", self.empty, self.state / "postgres"], check=True)
        with self.log_path.open("ab") as log:
            log.write(b"--- start\n")
            log.flush()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                            cwd=self.home, start_new_session=True)
        if wait:
            until(self.archive().answers, 30, "the database answers", self.alive)
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def alive(self) -> None:
        assert self.process is not None
        code = self.process.poll()
        assert code is None, f"the daemon has ended with {code}:\n{self.log()}"

    def stop(self, sign: int = signal.SIGTERM, within: float = 10.0) -> None:
        """An orderly stop: exit 0 in time, and no process is left."""
        assert self.process is not None
        self.alive()
        self.process.send_signal(sign)
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there {within:g} s after signal {sign}:\n{self.log()}") from None
        self.process = None
        assert code == 0, f"exit {code} after signal {sign}:\n{self.log()}"
        left = self.processes()
        assert not left, f"left behind: {left}\n{self.log()}"

    def kill(self, within: float = 5.0) -> None:
        """kill -9, and nothing of ours runs soon after."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None
        until(lambda: not self.processes(), within, f"no process is left after kill -9: {self.processes()}", every=0.02)

    def end(self) -> None:
        """At the end of a test, whatever its outcome."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        kill_marked(self.mark, self.state)
        if self.process is not None:
            self.process.wait()
            self.process = None

    def run(self, *words: str, within: float = 30) -> subprocess.CompletedProcess[str]:
        """bigbrotrd once, to its end: --init, --check-config .."""
        return subprocess.run(self.command(*words), env=self.env, cwd=self.home, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=within, check=False)

    def bigbrotr(self, *words: str, data: str | None = None, within: float = 120) -> subprocess.CompletedProcess[str]:
        """The command for people, with the daemon's configuration."""
        assert self.tool is not None, "bigbrotr is not built"
        command = as_unprivileged([str(self.tool), "-c", str(self.write_ini()), *words])
        return subprocess.run(command, env=self.env, cwd=self.home, input=data, text=True, capture_output=True, timeout=within,
                              check=False)

    # --- what can be seen of it

    def processes(self) -> dict[int, str]:
        return marked(self.mark, self.state)

    def log(self, lines: int = 60) -> str:
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def log_bytes(self) -> int:
        return self.log_path.stat().st_size

    def archive(self) -> Archive:
        return Archive(host=str(self.state / "run"))

    def postmaster(self) -> int:
        return int((self.state / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])

    def complete(self, relays: list[Relay], timeout: float = 60, tls: bool = False) -> None:
        """Waits until all of these relays are archived and proven."""
        archive = self.archive()
        try:
            until(lambda: all_complete(archive, relays, tls), timeout, "all relays are complete", self.alive, every=0.3)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{describe(archive, relays, tls)}\n{self.log()}") from None

    def status(self) -> dict[str, Any]:
        """What the daemon says of itself, by the socket that `bigbrotr status` asks."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(self.state / "control.sock"))
            s.sendall(b"status\n")
            parts = []
            while part := s.recv(65536):
                parts.append(part)
        return json.loads(b"".join(parts))

    def busy(self, seconds: float) -> float:
        """CPU seconds it uses in so much real time."""
        before = process.cpu_seconds(self.pid)
        time.sleep(seconds)
        return process.cpu_seconds(self.pid) - before


def empty_archive(program: Path, home: Path) -> Path:
    """A private cluster as a first start leaves it when no relay is known: initdb and the schema are half of what a short test costs."""
    home.mkdir()
    home.chmod(0o755)
    daemon = Daemon(program, None, home, dns_port=9)
    daemon.seeds()
    try:
        daemon.start()
        daemon.stop()
    finally:
        daemon.end()
    return daemon.state / "postgres"
