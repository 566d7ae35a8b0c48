"""Lists of relays over HTTP, served by a real nginx, over http, https with an authority of our own, and a SOCKS5 proxy: what they name is
found; nothing that one of them does harms another."""
from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import World
from test_finder import begun, finding, state
from test_reload import reload
from world.archive import Archive
from world.daemon import Daemon
from world.process import as_unprivileged, give, until
from world.servers import free_port

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
ADDRESS, NAME = "127.200.0.1", "lists.farm-relay.com"
SOME = {"data": [{"mint": {"n": 10, "seed": 980}}]}


class Endless:
    """A server behind nginx that goes on sending lines for ever."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    @staticmethod
    def talk(peer: socket.socket) -> None:
        line = b"".join(b"wss://endless%06d.net\n" % i for i in range(400))
        try:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                peer.sendall(b"%x\r\n%s\r\n" % (len(line), line))
        except OSError:
            peer.close()


class Nginx:
    def __init__(self, home: Path, env: dict[str, str]):
        self.home = home / "nginx"
        self.root = self.home / "root"
        self.root.mkdir(parents=True)
        self.port, self.tls_port = free_port(), free_port()
        self.endless = Endless()
        self.ca = self.certificate()
        (self.home / "nginx.conf").write_text(f"""
daemon off; master_process off; worker_processes 1; pid {self.home}/pid; error_log {self.home}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log {self.home}/access.log; default_type text/plain; types {{ text/plain txt; application/json json; text/html html; }}
  client_body_temp_path {self.home}/t1; proxy_temp_path {self.home}/t2; fastcgi_temp_path {self.home}/t3;
  uwsgi_temp_path {self.home}/t4; scgi_temp_path {self.home}/t5;
  gzip on; gzip_types text/plain application/json; gzip_min_length 1;
  server {{
    listen {ADDRESS}:{self.port}; listen {ADDRESS}:{self.tls_port} ssl; server_name {NAME};
    ssl_certificate {self.home}/server.pem; ssl_certificate_key {self.home}/server.key;
    root {self.root};
    location /moved {{ return 302 /plain.txt; }}
    location /away {{ return 301 http://10.1.2.3/plain.txt; }}
    location /loop {{ return 302 /loop; }}
    location /down {{ return 302 http://{NAME}:{self.port}/plain.txt; }}
    location /zipped.txt {{ gzip off; add_header Content-Encoding gzip; }}
    location /slow.txt {{ limit_rate 100; }}
    location /endless {{ proxy_pass http://127.0.0.1:{self.endless.port}; proxy_buffering off; }}
  }}
}}
""")
        for path in (self.home, self.root, *self.home.iterdir()):
            give(path)
        self.process = subprocess.Popen(as_unprivileged([NGINX, "-p", str(self.home), "-c", str(self.home / "nginx.conf")]), env=env,
                                        stdin=subprocess.DEVNULL, stderr=(self.home / "stderr").open("wb"))
        until(self.answers, 10, "nginx answers")

    def certificate(self) -> Path:
        def run(*words: str) -> None:
            subprocess.run(["openssl", *words], cwd=self.home, check=True, capture_output=True)
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority of lists", "-days", "30")
        run("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={NAME}")
        (self.home / "server.ext").write_text(f"subjectAltName=DNS:{NAME}\n")
        run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-out", "server.pem",
            "-extfile", "server.ext")
        return self.home / "ca.pem"

    def answers(self) -> bool:
        assert self.process.poll() is None, (self.home / "stderr").read_text()
        with socket.socket() as s:
            return s.connect_ex((ADDRESS, self.port)) == 0

    def write(self, name: str, text: str | bytes) -> None:
        path = self.root / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(0o644)

    def asked(self, path: str) -> list[int]:
        """The status of each answer to a GET of it."""
        lines = (self.home / "access.log").read_text().splitlines()
        return [int(line.split('"')[2].split()[0]) for line in lines if f'"GET /{path} ' in line]

    def stop(self) -> None:
        self.endless.socket.close()
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def nginx(world: World) -> Iterator[Nginx]:
    server = Nginx(world.home, world.env)
    world.farm.dns({NAME: {"a": [ADDRESS]}})
    try:
        yield server
    finally:
        server.stop()


def reading(world: World, nginx: Nginx, *sources: tuple[str, dict[str, Any]], **network: Any) -> Daemon:
    daemon = finding(world)
    bundle = daemon.home / "ca.pem"
    bundle.write_text(world.farm.ca.read_text() + nginx.ca.read_text())
    bundle.chmod(0o644)
    daemon.set("network", tls_ca_file=bundle, **network)
    set_sources(daemon, *sources)
    return daemon


def set_sources(daemon: Daemon, *sources: tuple[str, dict[str, Any]]) -> None:
    lines = []
    for name, keys in sources:
        lines += [f"[finder.source {name}]", *(f"{key} = {value}" for key, value in keys.items())]
    daemon.extra = "\n".join(lines) + "\n"


def remembered(archive: Archive, name: str) -> dict[str, Any]:
    return archive.value("SELECT value FROM service_state WHERE service = 'finder' AND name = %s", f"list {name}") or {}


def test_what_lists_name_is_found(world: World, nginx: Nginx) -> None:
    """Lines and JSON, http and https, a redirect; asked again only for what has changed, in the next run too."""
    one, two, three, four, five = relays = world.farm.add(*(SOME for _ in range(5)))
    here, there = f"http://{NAME}:{nginx.port}", f"https://{NAME}:{nginx.tls_port}"
    nginx.write("plain.txt", f"# of a test\r\n{one.wss.upper().replace('WSS', 'wss')}/ # one\r\nnot a relay\nws://10.0.0.1\n\n{one.wss}\n")
    nginx.write("array.json", json.dumps([two.wss, 7, [three.wss]]))
    nginx.write("deep.json", json.dumps({"x": "wss://not.this.net", "data": {"a": {"url": four.wss.replace("/", "\\/")}, "b": {"n": 1}}})
                .replace("\\\\/", "\\/"))
    daemon = reading(world, nginx, ("plain", {"url": f"{here}/moved", "interval": "1s"}),
                     ("array", {"url": f"{there}/array.json", "format": "json", "interval": "1s"}),
                     ("deep", {"url": f"{there}/deep.json", "format": "json", "path": "data.*.url", "interval": "1s"}))
    archive = begun(daemon)
    until(lambda: archive.value("SELECT count(*) FROM relays") == 4, 30, "all are found", daemon.alive)
    assert {url for url, in archive.query("SELECT url FROM relays")} == {r.wss for r in relays[:4]}
    assert archive.query("SELECT DISTINCT source, mentions FROM relay_provenance") == [("list", 1)]
    assert state(archive, "wss://not.this.net") == ()
    assert 'list plain: 1 relay; 2 are none, as "not a relay", which ' in daemon.log(200)
    until(lambda: nginx.asked("array.json").count(304) >= 2 and nginx.asked("plain.txt").count(304) >= 2, 20, "not sent again", daemon.alive)
    assert nginx.asked("array.json").count(200) == nginx.asked("plain.txt").count(200) == 1
    daemon.stop()
    asked = len(nginx.asked("array.json"))
    daemon.start()
    until(lambda: len(nginx.asked("array.json")) > asked, 20, "asked in the next run", daemon.alive)
    assert nginx.asked("array.json")[asked] == 304, "what was sent is remembered"
    nginx.write("array.json", json.dumps([two.wss, five.wss]))
    until(lambda: state(archive, five.wss)[:1] == ("promoted",), 30, "what is new is found", daemon.alive)
    assert "list array: 2 relays\n" in daemon.log(200)
    assert daemon.status()["finder"]["lists"] == 3 and daemon.status()["finder"]["lists_failing"] == 0
    set_sources(daemon, ("array", {"url": f"{there}/array.json", "format": "json", "interval": "1s"}))
    daemon.write_ini()
    reload(daemon, "applied")
    assert daemon.status()["finder"]["lists"] == 1
    daemon.stop()


def test_a_broken_list_harms_nobody(world: World, nginx: Nginx) -> None:
    relay, = world.farm.add(SOME)
    here, there = f"http://{NAME}:{nginx.port}", f"https://{NAME}:{nginx.tls_port}"
    listing = f"{relay.wss}\n"
    for name in ("plain.txt", "page.html", "zipped.txt"):
        nginx.write(name, listing)
    nginx.write("slow.txt", listing * 200)
    nginx.write("large.txt", listing * 40000)
    nginx.write("broken.json", '["wss://a.net", ')
    nginx.write("other.json", '{"relays": ["wss://a.net"]}')
    nginx.write("none.txt", "there are no relays\nhere\n")
    lines: dict[str, Any] = {"interval": "1h", "timeout": "2s", "max_size": "64KiB"}
    parsed = {**lines, "format": "json"}
    broken = {
        "gone": ({**lines, "url": f"{here}/no-such-list"}, "status 404; open its url in a browser"),
        "html": ({**lines, "url": f"{here}/page.html"}, "it is text/html and not text"),
        "zipped": ({**lines, "url": f"{here}/zipped.txt"}, "compressed (gzip), which was not asked for"),
        "slow": ({**lines, "url": f"{here}/slow.txt"}, "no whole answer in time; if it goes on, raise its timeout"),
        "large": ({**lines, "url": f"{here}/large.txt"}, "is it a list? else raise its max_size"),
        "endless": ({**lines, "url": f"{here}/endless"}, "is it a list? else raise its max_size"),
        "loop": ({**lines, "url": f"{here}/loop"}, "more than 3 redirects"),
        "away": ({**lines, "url": f"{here}/away"}, "needs [network] allow_addresses"),
        "down": ({**lines, "url": f"{there}/down"}, "redirected from https to http"),
        "cut": ({**parsed, "url": f"{here}/broken.json"}, "no valid JSON at byte "),
        "path": ({**parsed, "url": f"{here}/other.json", "path": "relay"}, "nothing stands in it where path leads"),
        "text": ({**parsed, "url": f"{there}/none.txt"}, "no valid JSON at byte 0"),
        "none": ({**lines, "url": f"{here}/none.txt"}, 'none of its 2 entries is a relay, as "there are no relays"'),
        "name": ({**lines, "url": "http://nobody.farm-relay.com/"}, "does not exist"),
        "refused": ({**lines, "url": f"http://{NAME}:{free_port()}/"}, "connection was refused"),
    }
    daemon = reading(world, nginx, *((name, keys) for name, (keys, _) in broken.items()),
                     ("well", {"url": f"{there}/plain.txt", "interval": "1h"}))
    daemon.set("network", host_connect_interval="1ms")
    archive = begun(daemon)
    until(lambda: state(archive, relay.wss)[:1] == ("promoted",), 60, "the good one is read after all of them", daemon.alive)
    log = [line for line in daemon.log(500).splitlines() if " warning finder list " in line]
    for name, (_, says) in broken.items():
        mine = [line for line in log if f" finder list {name}: " in line]
        assert len(mine) == 1 and says in mine[0] and "tried again in 60 s" in mine[0], (name, mine)
        assert remembered(archive, name)["failures"] == 1 and remembered(archive, name)["error"] != ""
    assert daemon.status()["finder"]["lists_failing"] == len(broken) and remembered(archive, "well")["relays"] == 1
    assert f"{len(broken)} of {len(broken) + 1} cannot be read: the log says why" in daemon.bigbrotr("status").stdout
    assert archive.value("SELECT count(*) FROM candidate") == 1
    daemon.stop()


def test_a_list_waits_longer_each_time(world: World, nginx: Nginx) -> None:
    daemon = reading(world, nginx, ("gone", {"url": f"http://{NAME}:{nginx.port}/gone.txt", "interval": "1s"}))
    archive = begun(daemon)
    until(lambda: remembered(archive, "gone").get("failures", 0) >= 3, 30, "it fails", daemon.alive)
    waits = [line.rsplit(" ", 2)[1:] for line in daemon.log(200).splitlines() if "list gone: " in line]
    assert waits[:3] == [["1", "s"], ["2", "s"], ["4", "s"]], waits
    relay, = world.farm.add(SOME)
    nginx.write("gone.txt", relay.wss)
    until(lambda: remembered(archive, "gone")["failures"] == 0, 20, "it is back", daemon.alive)
    daemon.stop()


def test_a_list_over_tor(world: World, nginx: Nginx) -> None:
    """Through the proxy, which resolves the name: our own resolver does not even hear it."""
    relay, = world.farm.add(SOME)
    nginx.write("plain.txt", relay.wss)
    port = free_port()
    name = "only-over-tor.com"
    daemon = reading(world, nginx, ("tor", {"url": f"http://{name}:{nginx.port}/plain.txt", "network": "tor"}), proxy_tor=f"127.0.0.1:{port}")
    archive = begun(daemon)
    world.node("tools/socks5.js", "--port", str(port), "--map", f"{name}={ADDRESS}")
    until(lambda: state(archive, relay.wss)[:1] == ("promoted",), 40, "it is found when the proxy is there", daemon.alive)
    assert not any(name in q["name"] for q in world.farm.questions())
    daemon.stop()


def test_sections_are_checked(world: World) -> None:
    daemon = finding(world)
    set_sources(daemon, ("a", {"interval": "1h"}), ("b", {"url": "ftp://x.net/"}), ("c", {"url": "http://x.net/", "path": "a"}),
                ("d", {"url": "http://x.net/", "format": "json", "path": "a..b"}), ("e", {"url": "http://x.i2p/", "network": "tor"}))
    done = daemon.run("--check-config")
    assert done.returncode == 2
    for says in ("[finder.source a] url is missing", '[finder.source b] not an http URL: "ftp://x.net/"', "[finder.source c] path is for format",
                 "[finder.source d] path has an empty part", "[finder.source e] network: a name of i2p"):
        assert says in done.stderr, done.stderr
