"""The HTTP server: what it answers, whom it lets in, and that slow clients of one listener do not blind the other."""
from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from conftest import World
from world.daemon import Daemon
from world.process import give, until

TOKEN = "0123456789abcdef0123456789abcdef"
CLIENTS = int(os.environ.get("SLOW_CLIENTS", "500"))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port: int, path: str, token: str | None = None, method: str = "GET", patience: float = 10) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=patience) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def answers(port: int) -> bool:
    try:
        return get(port, "/health", patience=1)[0] == 200
    except OSError:
        return False


def raw(port: int, text: bytes) -> bytes:
    """What comes back for these bytes, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(text)
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while part := s.recv(65536):
                parts.append(part)
        return b"".join(parts)


def resident(pid: int) -> int:
    """Bytes of its own: code that is paged in does not count."""
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon:")) * 1024


def listening(world: World, **keys: object) -> tuple[Daemon, int, int]:
    daemon = world.daemon()
    port, health = free_port(), free_port()
    daemon.set("http", listen=f"127.0.0.1:{port}", health_listen=f"127.0.0.1:{health}", **keys)
    return daemon, port, health


def test_what_it_answers(world: World) -> None:
    daemon, port, health = listening(world)
    daemon.start()
    until(lambda: get(port, "/ready")[0] == 200, 20, "it is ready", daemon.alive)
    status, text, headers = get(port, "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    until(lambda: "bigbrotr_database_up 1\n" in get(port, "/metrics")[1], 5, "the database is up", daemon.alive)
    assert headers["X-Content-Type-Options"] == "nosniff"
    status, text, headers = get(port, "/status")
    assert status == 200 and json.loads(text)["phase"] == "archiving"
    status, text, headers = get(port, "/")
    assert status == 200 and "archiving" in text
    assert re.search(r"<td>started at</td><td>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC<", text) and "<td>growth per hour</td><td>0 B<" in text and "<td>database up</td><td>yes<" in text
    assert re.search(r"<td>known ids</td><td>used: [\d.]+ MiB<br>max: [\d.]+ MiB<br>fixed: yes<", text), "nothing raw"
    assert "http://" not in text and "https://" not in text and "<script" not in text, "nothing is loaded from elsewhere"
    assert get(port, "/health")[:2] == (200, "ok\n") == get(health, "/health")[:2]
    assert get(health, "/metrics")[0] == 404
    assert get(port, "/nothing")[0] == 404
    assert get(port, "/metrics", method="HEAD")[:2] == (200, "")
    assert get(port, "/metrics", method="POST")[0] == 405
    assert raw(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").startswith(b"HTTP/1.1 413 ")
    both = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /status HTTP/1.1\r\n\r\n"
    assert raw(port, both).count(b"HTTP/1.1 ") == 1, "two lengths: one answer, and the end"
    assert b"HTTP/1.1 431" in raw(port, b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n")
    # One connection may ask a hundred times; then it is told to come again.
    hundred = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 120
    answers = raw(port, hundred)
    assert answers.count(b"HTTP/1.1 200") == 100 and answers.count(b"Connection: close") == 1
    daemon.stop()


def test_a_token(world: World) -> None:
    daemon, port, health = listening(world)
    path = daemon.home / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o644)
    daemon.set("http", token_file=str(path))
    refused = daemon.run("--check-config")
    assert refused.returncode == 2 and "token" in refused.stderr, refused.stderr
    path.chmod(0o600)
    give(path)
    path.write_text(TOKEN[:15])
    assert "at least 16 characters" in daemon.run("--check-config").stderr
    path.write_text(TOKEN + "\n")
    here = daemon.ini["http"]["listen"]
    daemon.set("http", listen=f"0.0.0.0:{port}")
    assert daemon.run("--check-config").returncode == 0, "others may come when there is a token"
    daemon.set("http", listen=here)
    daemon.start()
    until(lambda: get(port, "/ready", TOKEN)[0] == 200, 20, "it is ready", daemon.alive)
    for asked in ("/", "/metrics", "/status", "/ready"):
        status, _, headers = get(port, asked)
        assert status == 401 and headers["WWW-Authenticate"] == "Bearer", asked
        assert get(port, asked, TOKEN[:-1])[0] == 401
        assert get(port, asked, TOKEN + "0")[0] == 401
        assert get(port, asked, TOKEN)[0] == 200
    assert get(port, "/health")[0] == 200 and get(health, "/health")[0] == 200
    assert TOKEN not in daemon.log(1000)
    daemon.stop()


@pytest.mark.parametrize(("listen", "says"), [
    ("0.0.0.0:9464", "token_file"), ("[::]:9464", "token_file"), ("localhost:9464", "127.0.0.1:9464"), ("127.0.0.1", "127.0.0.1:9464"),
    ("127.0.0.1:99999", "127.0.0.1:9464"), ("unix:relative", "unix:/path"), ("::1:80", "[::1]:9464"),
])
def test_addresses_that_are_refused(world: World, listen: str, says: str) -> None:
    daemon = world.daemon()
    daemon.set("http", listen=listen)
    done = daemon.run("--check-config")
    assert done.returncode == 2 and says in done.stderr and "[http] listen" in done.stderr, done.stderr


def test_unix_sockets(world: World) -> None:
    """Both listeners; what a dead daemon left is replaced, a file is not."""
    daemon = world.daemon()
    main, health = daemon.home / "main.sock", daemon.home / "health.sock"
    daemon.set("http", listen=f"unix:{main}", health_listen=f"unix:{health}")
    health.write_text("precious")
    done = daemon.run(within=20)
    assert done.returncode == 2 and f"cannot listen on {health}: that is a file or folder" in done.stderr and health.read_text() == "precious"
    health.unlink()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(main))
    daemon.start()
    for path, asked, says in ((main, "/status", b'"phase":'), (health, "/health", b"\r\n\r\nok\n")):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
            s.sendall(f"GET {asked} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            text = b"".join(iter(lambda: s.recv(65536), b""))
        assert text.startswith(b"HTTP/1.1 200") and says in text
        assert path.stat().st_mode & 0o777 == 0o660, "for owner and group"
    other = world.daemon(name="other")
    other.set("http", listen=f"unix:{main}")
    done = other.run(within=20)
    assert done.returncode == 2 and f"cannot listen on {main}: another program does" in done.stderr
    daemon.stop()
    assert not main.exists() and not health.exists()


def test_an_address_that_is_taken(world: World) -> None:
    daemon, port, _ = listening(world)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        done = daemon.run(within=20)
    assert done.returncode == 2 and f"port {port}: another program does" in done.stderr, done.stderr


def test_slow_clients(world: World) -> None:
    """Hundreds that never end their request: health answers at once, the archive goes on, and after some seconds so do metrics.

        SLOW_CLIENTS=10000 python3 -m pytest -s tests/system/test_http.py -k slow        at length, with figures
    """
    relay, = world.farm.add({"data": [{"mint": {"n": 300, "seed": 5}}]})
    daemon, port, health = listening(world)
    daemon.seeds(relay.url)
    daemon.start()
    until(lambda: get(port, "/ready")[0] == 200, 20, "it is ready", daemon.alive)
    daemon.complete([relay])
    clients, answered, memory = [], [], [resident(daemon.pid)]
    try:
        for i in range(CLIENTS):
            s = socket.socket()
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                s.connect(("127.0.0.1", port))
            clients.append(s)
        time.sleep(0.5)
        def drip(byte: bytes) -> None:
            for s in clients:
                with contextlib.suppress(OSError):
                    s.send(byte)

        for byte in (b"GET /metrics"[i:i + 1] for i in range(12)):
            drip(byte)
            relay.publish(mint={"n": 10, "seed": 100 + len(answered), "times": "one", "from": int(time.time()), "to": int(time.time())})
            started = time.monotonic()
            assert get(health, "/health")[0] == 200
            answered.append(time.monotonic() - started)
            time.sleep(0.1)
        daemon.complete([relay])  # while most of them still wait to be let in
        assert relay.record()["connections_total"] == 1, "the archive has lost nothing"
        memory.append(resident(daemon.pid))
        started = time.monotonic()
        # They are never idle: what closes them is the time for the whole head.
        until(lambda: drip(b"x") or answers(port), 30 + CLIENTS / 20, "the slow ones were closed", daemon.alive, every=0.5)
        print(f"{CLIENTS} slow clients: /health answered within {1000 * max(answered):.0f} ms; resident {memory[0]} bytes before, {memory[1]} with "
              f"them; the other listener let others in after {time.monotonic() - started:.1f} s more")
    finally:
        for s in clients:
            s.close()
    daemon.stop()
