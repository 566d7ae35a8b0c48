"""The demonstration: relays of the test farm, a daemon, and what the command `bigbrotr` says of its archive.  Started by packaging/demo.

Three quarters of the relays are the daemon's seeds; the others are only mentioned in events, and found there.  Some behave badly on purpose.
The daemon may dial the farm and nobody else, whatever its events say: [finder] deny_file has every network, allow_file the farm.
"""
from __future__ import annotations

import argparse
import json
import lzma
import os
import pty
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
from world.farm import Farm, Relay  # noqa: E402
from world.process import MARK, give, unprivileged, until  # noqa: E402

SEEDS, HIDDEN = 27, 9
LINES = 16  # shown of an answer
# What some of the seeds do, by their number; the others keep to the rules.
HABITS: dict[int, dict[str, Any]] = {
    3: {"down": True}, 7: {"upgrade": {"status": 502}}, 11: {"refuse": {"every": 1, "text": "auth-required: members only"}},
    13: {"ignores_until": True}, 17: {"cap": 100, "order": "oldest"}, 19: {"duplicates": 0.2, "garbage": 3}, 23: {"reply_delay_ms": 300},
}
SOFTWARE = (("https://github.com/example/relay", "1.4.2"), ("https://example.org/strict", "0.9.1"), ("https://example.net/tiny", "22"))
QUERIES = (
    "SELECT kind, count(*) AS events, count(DISTINCT pubkey) AS authors FROM events GROUP BY kind ORDER BY events DESC LIMIT 5",
    "SELECT grade, count(DISTINCT relay_url) AS relays, count(*) AS spans FROM relay_coverage GROUP BY grade",
    "SELECT relay_url, reason, count(*) AS gaps FROM relay_gap GROUP BY relay_url, reason",
)
# A line of the daemon's log, which it writes above its screen after it has erased that.
LOGGED = re.compile(rb"^(?:\x1b\[\d+A\r\x1b\[J)?(\d{4}-\d\d-\d\dT.*\n)", re.MULTILINE)
INI = """
[daemon]
state_dir = {home}/state
{user}

[initializer]
seed_file = {home}/relays.txt
priority_file = {home}/none.txt

[finder]
deny_file = {home}/deny.txt
allow_file = {home}/allow.txt

[network]
# the farm is on loopback, with a name server and an authority of its own
allow_addresses = 127.0.0.0/8
dns_servers = 127.0.0.1:{dns}
tls_ca_file = {ca}
proxy_tor = none

[http]
listen = 127.0.0.1:{port}
health_listen =
"""


def say(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr, flush=True)


def profile(n: int, events: Path) -> dict[str, Any]:
    software, version = SOFTWARE[n % len(SOFTWARE)]
    share = 1.0 if n == 1 else random.Random(n).choice((0.05, 0.2, 0.5, 0.9))
    return {"n": n, "data": [{"file": str(events), "share": share, "seed": n}], **HABITS.get(n, {}),
            "nip11": {"name": f"relay {n}", "software": software, "version": version, "supported_nips": [1, 11],
                      "limitation": {"max_limit": HABITS.get(n, {}).get("cap", 500)}}}


class Demo:
    def __init__(self, build: Path, home: Path):
        self.build, self.home = build, home
        self.daemon: subprocess.Popen[bytes] | None = None
        self.screen: int | None = None  # our side of the daemon's terminal
        self.showing = True  # its screen; else only its log
        self.farm: Farm | None = None
        self.relays: list[Relay] = []
        self.ended = threading.Event()

    def start_farm(self) -> None:
        events = self.home / "events.jsonl"
        events.write_bytes(lzma.decompress((ROOT / "tests/data/events-real.jsonl.xz").read_bytes()))
        mint = self.build / "tests" / "support" / "mint"
        self.farm = Farm(self.home / "farm", mint, dict(os.environ), self.home / "farm.log")
        self.relays = self.farm.add(*(profile(n, events) for n in range(1, SEEDS + HIDDEN + 1)))
        self.publish(self.relays[0], [{"kind": 10002, "content": "", "tags": [["r", relay.wss]]} for relay in self.relays[SEEDS:]])

    def publish(self, at: Relay, drafts: list[dict[str, Any]]) -> None:
        """Signed by a key that the demonstration makes for itself."""
        key = self.home / "key"
        if not key.exists():
            subprocess.run([self.build / "src/bigbrotr", "key", "generate", key], check=True, capture_output=True)
        signed = subprocess.run([self.build / "src/bigbrotr", "event", "sign", "--key", key], check=True, capture_output=True, text=True,
                                input="".join(json.dumps(draft) + "\n" for draft in drafts)).stdout
        at.publish(lines=signed.splitlines())

    def chatter(self) -> None:
        """Now and then somebody writes a note, which comes to a few relays."""
        number = 0
        while not self.ended.wait(1.5):
            number += 1
            draft = {"kind": 1, "content": f"note {number} of the demonstration", "tags": [["t", "demo"]], "created_at": int(time.time())}
            for relay in random.sample(self.relays, 4):
                try:
                    self.publish(relay, [draft])
                except (AssertionError, OSError, subprocess.SubprocessError):
                    return  # all is being ended

    def configure(self) -> Path:
        assert self.farm is not None
        files = {"relays.txt": "".join(f"{relay.wss}\n" for relay in self.relays[:SEEDS]), "none.txt": "# none\n",
                 "deny.txt": "".join(f"network:{name}\n" for name in ("clearnet", "tor", "i2p", "loki")), "allow.txt": "*.farm-relay.com\n"}
        for name, text in files.items():
            (self.home / name).write_text(text)
        (self.home / "state").mkdir()
        give(self.home / "state")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # A daemon that is started by root becomes another user; here one that is there already.
        user = f"user = {unprivileged().pw_name}" if os.geteuid() == 0 else ""
        path = self.home / "bigbrotr.ini"
        path.write_text(INI.format(home=self.home, dns=self.farm.ready["dns"], ca=self.farm.ca, port=self.port, user=user).lstrip())
        return path

    def start_daemon(self, ini: Path) -> None:
        """Its screen goes through us, so that it can be taken away when there is something else to see."""
        ours, theirs = pty.openpty() if sys.stderr.isatty() else os.pipe()
        if sys.stderr.isatty():
            termios.tcsetwinsize(theirs, termios.tcgetwinsize(2))
        env = {name: value for name, value in os.environ.items() if name == MARK or not name.startswith(("PG", "BIGBROTR_"))}
        self.daemon = subprocess.Popen([self.build / "src/bigbrotrd", "-c", ini], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                                       env=env, cwd=self.home, start_new_session=True)
        os.close(theirs)
        self.screen = ours
        threading.Thread(target=self.pass_on, daemon=True).start()

    def pass_on(self) -> None:
        assert self.screen is not None
        while True:
            try:
                data = os.read(self.screen, 65536)
            except OSError:  # the other side of a terminal is gone
                return
            if not data:
                return
            os.write(2, data if self.showing else b"".join(LOGGED.findall(data)))

    def watch(self, seconds: float) -> None:
        assert self.daemon is not None
        until((self.home / "state/control.sock").exists, 60, "the daemon has started", self.alive)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.alive()
            time.sleep(0.1)
        until(self.something_is_proven, 60, "a relay is complete", self.alive, every=1)

    def something_is_proven(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=10) as answer:
            return bool(json.load(answer)["relays"]["ever_in_sync"])

    def alive(self) -> None:
        assert self.daemon is not None
        if self.daemon.poll() is not None:
            time.sleep(0.3)  # what it said is still on its way
            sys.exit(f"demo: bigbrotrd has ended with {self.daemon.returncode}")

    def look(self, ini: Path, *words: str) -> None:
        """What a command prints; of long answers the beginning."""
        shown = " ".join(f'"{word}"' if " " in word else word for word in words)
        print(f"\n$ bigbrotr -c {ini} {shown}", flush=True)
        done = subprocess.run([self.build / "src/bigbrotr", "-c", ini, *words], check=True, stdin=subprocess.DEVNULL, timeout=60, text=True,
                              stdout=subprocess.PIPE)
        lines = done.stdout.rstrip().splitlines()
        print("\n".join(lines[:LINES]), flush=True)
        if len(lines) > LINES:
            print(f".. and {len(lines) - LINES} lines more", flush=True)

    def end(self) -> None:
        """Everything, whatever is there of it: the daemon with its database, the farm, the directory."""
        self.ended.set()
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGINT)
            try:
                self.daemon.wait(20)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        time.sleep(0.1)
        if self.farm is not None:
            self.farm.stop()
        shutil.rmtree(self.home, ignore_errors=True)


def show(demo: Demo, seconds: float, stay: bool) -> None:
    say(f"{SEEDS + HIDDEN} relays on loopback with real events: {SEEDS} of them are listed, {HIDDEN} only mentioned; some behave badly on purpose")
    demo.start_farm()
    ini = demo.configure()
    say(f"bigbrotrd -c {ini}: this is its screen, for {seconds:g} s")
    demo.start_daemon(ini)
    threading.Thread(target=demo.chatter, daemon=True).start()
    demo.watch(seconds)
    demo.showing = False
    demo.look(ini, "status")
    demo.look(ini, "relays")
    for query in QUERIES:
        demo.look(ini, "sql", "-c", query)
    print(f"\nIts page: http://127.0.0.1:{demo.port}/   metrics: http://127.0.0.1:{demo.port}/metrics", flush=True)
    if stay:
        say("it goes on: try the commands above in another terminal; Ctrl-C ends all of it")
        while True:
            demo.alive()
            time.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(prog="packaging/demo")
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()

    def interrupted(number: int, frame: object) -> None:
        raise KeyboardInterrupt
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    home = Path(tempfile.mkdtemp(prefix="bigbrotr-demo-"))
    home.chmod(0o755)
    demo = Demo(options.build.resolve(), home)
    (home / "farm").mkdir()
    try:
        show(demo, 15 if options.seconds is None else options.seconds, options.seconds is None and sys.stderr.isatty())
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        say("ending the daemon and the relays")
        demo.showing = False
        demo.end()
        say(f"ended; {home} is gone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
