"""`bigbrotr trace URL`: one relay followed on a running daemon, from its dial to its commits, and nothing of the others."""
from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time

from conftest import World
from world.process import as_unprivileged, until

CLIENTS_MAX = 16  # http/control.h


def test_a_relay_is_followed(world: World) -> None:
    relay, other = world.farm.add({"cap": 100, "data": [{"mint": {"n": 250, "seed": 5}}]}, {"cap": 100, "data": [{"mint": {"n": 250, "seed": 6}}]})
    daemon = world.daemon(relay, other)
    daemon.set("synchronizer", poll_interval="1s", live_max=0)
    daemon.start()
    daemon.complete([relay, other])
    out = daemon.home / "trace.txt"
    with out.open("w") as file:
        command = as_unprivileged([str(daemon.tool), "-c", str(daemon.write_ini()), "trace", relay.url])
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE, env=daemon.env, cwd=daemon.home, text=True)
        try:
            for said in ("dialling", "connected to 127.", 'REQ {', "answered by eose: ", "committed: ", "proven ", "reading -> in sync"):
                until(lambda: said in out.read_text(), 15, f"{said!r} is seen:\n{out.read_text()}", daemon.alive)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)
    assert all(line[2] == ":" and line[8] == "." for line in out.read_text().splitlines() if line), "each line has its time"
    # Asked about a relay that it does not know.
    done = daemon.bigbrotr("trace", "wss://nowhere.example.org")
    assert done.returncode == 1 and "does not know this relay" in done.stderr
    # There are so many places, and who finds none is told by the log.
    with contextlib.ExitStack() as all_of_them:
        for _ in range(CLIENTS_MAX):
            s = all_of_them.enter_context(socket.socket(socket.AF_UNIX))
            s.connect(str(daemon.state / "control.sock"))
            s.sendall(f"trace {relay.url}\n".encode())
        done = daemon.bigbrotr("status")
        assert done.returncode == 2 and "its log says more" in done.stderr
        assert f"{CLIENTS_MAX} ask on the control socket already" in daemon.log()
    # Whoever reads nothing costs the daemon nothing.
    with socket.socket(socket.AF_UNIX) as deaf, socket.socket(socket.AF_UNIX) as wrong:
        deaf.connect(str(daemon.state / "control.sock"))
        deaf.sendall(f"trace {relay.url}\n".encode())
        wrong.connect(str(daemon.state / "control.sock"))
        wrong.sendall(b"x" * 10000)
        time.sleep(2)
        assert daemon.status()["phase"] == "archiving"
    daemon.stop()
    assert os.stat(daemon.state).st_mode & 0o77 == 0, "the control socket is for its owner alone"


def test_without_a_daemon(world: World) -> None:
    done = world.daemon().bigbrotr("trace", "wss://relay.example.org")
    assert done.returncode == 2 and "start one with bigbrotrd" in done.stderr
