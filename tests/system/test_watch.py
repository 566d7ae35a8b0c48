"""`bigbrotr status --watch`: one picture on a terminal, lines and JSON elsewhere; it outlives the daemon that it asks."""
from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios
from pathlib import Path

from conftest import World
from world.daemon import Daemon
from world.process import MARK, as_unprivileged, give, standing_still, until

WIDTH, ROWS = 60, 12


def screen(output: str) -> list[str]:
    """What a terminal shows after this: up, to the left, clear to the end, and lines."""
    lines, row = [""], 0
    for piece in re.split(r"(\x1b\[\d*[A-Z]|\r|\n)", output):
        if match := re.fullmatch(r"\x1b\[(\d*)([A-Z])", piece):
            assert match[2] in "AJ", piece
            if match[2] == "A":
                row -= int(match[1])
                assert row >= 0, "over the upper edge"
            else:
                del lines[row + 1:]
                lines[row] = ""
        elif piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece not in ("", "\r"):
            lines[row] = piece
    return lines


class Watcher:
    def __init__(self, daemon: Daemon, name: str, *words: str, terminal: bool = False):
        self.out, self.err = daemon.home / f"{name}.out", daemon.home / f"{name}.err"
        self.terminal, self.shown = None, ""
        # Without the mark: it is not left behind when the daemon has ended.
        env = {key: value for key, value in daemon.env.items() if key != MARK} | {"TERM": "xterm"}
        ini = daemon.home / "bigbrotr.ini"  # as the daemon found it: written anew it could be read half
        command = as_unprivileged([str(daemon.tool), "-c", str(ini), "status", "--watch", "1", *words])
        with self.out.open("wb") as out, self.err.open("wb") as err:
            if terminal:
                self.terminal, end = os.openpty()
                fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, WIDTH, 0, 0))
                os.set_blocking(self.terminal, False)
            self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=end if terminal else out, stderr=err)
            if terminal:
                os.close(end)

    def text(self) -> str:
        if self.terminal is None:
            return self.out.read_text()
        try:
            while more := os.read(self.terminal, 65536):
                self.shown += more.decode().replace("\r\n", "\n")
        except (BlockingIOError, OSError):
            pass
        return self.shown

    def picture(self) -> str:
        return "\n".join(screen(self.text()))

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(10) == 0, self.err.read_text()


def objects(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def test_a_watcher_outlives_the_daemon(world: World) -> None:
    daemon = world.daemon("wss://relay.example.com").start()
    until(lambda: daemon.bigbrotr("status").returncode == 0, 10, "it answers", daemon.alive)
    picture, lines, js = (Watcher(daemon, "picture", terminal=True), Watcher(daemon, "lines"), Watcher(daemon, "js", "--json"))
    try:
        until(lambda: picture.text().count("bigbrotrd 0.") >= 2, 10, "the picture is drawn again", daemon.alive)
        shown = picture.picture()
        assert shown.count("bigbrotrd 0.") == 1 and "1 clearnet" in shown, f"one over the other:\n{shown}"
        assert len(shown.splitlines()) < ROWS and max(map(len, shown.splitlines())) <= WIDTH
        until(lambda: lines.text().count(" relays=1 ") >= 2 and len(objects(js.out)) >= 2, 10, "a line and an object each second")
        assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \w+: relays=", line) for line in lines.text().splitlines())
        assert objects(js.out)[-1]["relays"]["known"] == 1  # type: ignore[index]

        daemon.stop()
        away = "not answering; trying again"
        until(lambda: away in picture.picture() and away in lines.text() and away in js.err.read_text(), 10, "they say so")
        assert "bigbrotrd 0." not in picture.picture(), "what is over does not stay"
        before = len(objects(js.out)), lines.text().count("relays=1")
        daemon.start()
        until(lambda: "bigbrotrd 0." in picture.picture() and away not in picture.picture(), 20, "the picture is there again")
        until(lambda: len(objects(js.out)) > before[0] and lines.text().count("relays=1") > before[1], 10, "all go on")
        assert js.err.read_text().count(away) == 1, "once for programs"

        # A daemon that hangs is none, and Ctrl-C works then, too.
        with standing_still([daemon.pid]):
            for watcher in (picture, lines, js):
                watcher.interrupt()
        assert lines.text().endswith("\n") and objects(js.out), "no line is cut"
    finally:
        for watcher in (picture, lines, js):
            watcher.process.kill()
            watcher.process.wait()
            if watcher.terminal is not None:
                os.close(watcher.terminal)
    daemon.stop()


def test_wrong_words(world: World) -> None:
    daemon = world.daemon()
    give(daemon.home)
    for words in (("--watch", "0"), ("--watch", "soon"), ("5",), ("--watch", "1", "2"), ("--wach",)):
        done = daemon.bigbrotr("status", *words)
        assert done.returncode == 2 and "usage: bigbrotr status" in done.stderr, words
