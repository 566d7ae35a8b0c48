"""A real onion service on a private Tor network: by hand, with `--tor`; the package `tor` must be installed.

Three directory authorities, five relays, one Tor with the onion service in front of a relay that is not ours, one Tor as the daemon's
proxy: all on 127.0.0.1, and told of nobody else (DirAuthority replaces the real ones), so nothing leaves the machine.  The network needs
about a minute for its first consensus, the service another half for its descriptor.
"""
from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from conftest import World
from test_check import Checker
from test_real import by_id, real_events
from world.archive import wanted
from world.process import as_unprivileged, give, until
from world.servers import Node, free_port, node_tool

AUTHORITIES, RELAYS = 3, 5

COMMON = """
TestingTorNetwork 1
DataDirectory {home}
Nickname {name}
Address 127.0.0.1
AssumeReachable 1
ShutdownWaitLength 0
SafeLogging 0
Log notice file {home}/log
{authorities}
"""
# Twenty seconds between votes: the shortest that eight Tors on a busy machine keep up with.
AUTHORITY = """
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ContactInfo nobody@example.org
V3AuthVotingInterval 20
V3AuthVoteDelay 4
V3AuthDistDelay 4
TestingV3AuthInitialVotingInterval 20
TestingV3AuthInitialVoteDelay 4
TestingV3AuthInitialDistDelay 4
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
MinUptimeHidServDirectoryV2 0
"""


class Tor:
    def __init__(self, home: Path, name: str, env: dict[str, str]):
        self.home, self.name, self.env = home / name, name, env
        self.or_port, self.dir_port = free_port(), free_port()
        self.home.mkdir(mode=0o700)
        give(self.home)
        self.torrc, self.log = self.home / "torrc", self.home / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, authorities: str, words: str) -> None:
        self.torrc.write_text(COMMON.format(home=self.home, name=self.name, authorities=authorities) + words)
        give(self.torrc)

    def relay_words(self) -> str:
        return f"SocksPort 0\nORPort 127.0.0.1:{self.or_port}\nExitPolicy reject *:*\n"

    def once(self, *words: str, data: str | None = None) -> str:
        done = subprocess.run(as_unprivileged(list(words)), env=self.env, cwd=self.home, input=data, text=True, capture_output=True,
                              timeout=60, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def become_authority(self) -> str:
        """Its keys; the line by which the others know it."""
        keys = self.home / "keys"
        keys.mkdir(mode=0o700)
        give(keys)
        self.once("tor-gencert", "--create-identity-key", "--passphrase-fd", "0", "-i", str(keys / "authority_identity_key"), "-s",
                  str(keys / "authority_signing_key"), "-c", str(keys / "authority_certificate"), "-m", "12", data="private network\n")
        ident = re.search(r"^fingerprint (\w{40})", (keys / "authority_certificate").read_text(), re.M)
        words = self.relay_words() + f"DirPort 127.0.0.1:{self.dir_port}\n" + AUTHORITY
        # It will not start as an authority without knowing one: any line does to make its keys.
        self.write(f"DirAuthority x orport=1 no-v2 v3ident={'A' * 40} 127.0.0.1:1 {'A' * 40}", words)
        finger = re.search(r"((?: ?[0-9A-F]{4}){10})\s*$", self.once("tor", "-f", str(self.torrc), "--list-fingerprint", "--quiet"), re.M)
        assert ident and finger
        return (f"DirAuthority {self.name} orport={self.or_port} no-v2 v3ident={ident[1]} 127.0.0.1:{self.dir_port} "
                f"{finger[1].replace(' ', '')}\n")

    def start(self) -> "Tor":
        self.process = subprocess.Popen(as_unprivileged(["tor", "-f", str(self.torrc), "--quiet"]), env=self.env, cwd=self.home,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def alive(self) -> None:
        assert self.process is not None and self.process.poll() is None, f"{self.name} has ended:\n{self.said()[-2000:]}"

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class TorNetwork:
    """Started when made; `service` fronts 127.9.0.1:`port` on port 80 of its onion, `client` has a SOCKS5 port."""

    def __init__(self, world: World, port: int):
        home = world.home / "tor"
        home.mkdir(mode=0o755)
        give(home)
        nodes = [Tor(home, f"auth{i}", world.env) for i in range(AUTHORITIES)]
        lines = "".join(node.become_authority() for node in nodes)
        for node in nodes:
            node.write(lines, node.relay_words() + f"DirPort 127.0.0.1:{node.dir_port}\n" + AUTHORITY)
        for i in range(RELAYS):
            node = Tor(home, f"relay{i}", world.env)
            node.write(lines, node.relay_words())
            nodes.append(node)
        self.service, self.client = Tor(home, "service", world.env), Tor(home, "client", world.env)
        self.onion = self.service.home / "onion"
        self.service.write(lines, f"SocksPort 0\nHiddenServiceDir {self.onion}\nHiddenServicePort 80 127.9.0.1:{port}\n")
        self.socks = free_port()
        self.client.write(lines, f"SocksPort 127.0.0.1:{self.socks} ExtendedErrors\n")
        self.nodes = [*nodes, self.service, self.client]
        for node in self.nodes:
            world.closers.append(node.start().stop)

    def alive(self) -> None:
        for node in self.nodes:
            node.alive()

    def ready(self) -> str:
        """Waits for the consensus; the onion's name."""
        for node in (self.service, self.client):
            until(lambda n=node: "Bootstrapped 100%" in n.said(), 240, f"{node.name} knows the network", self.alive, every=0.5)
        return (self.onion / "hostname").read_text().strip()


@pytest.fixture
def relay(world: World) -> Node:
    for program in ("tor", "tor-gencert"):
        if shutil.which(program) is None:
            pytest.skip(f"{program.upper()} IS NOT INSTALLED: apt-get install tor")
    return world.node("third-party-relay/serve.js", str(real_events(world)), "--cap", "500")


def test_a_relay_behind_a_real_onion_service(world: World, relay: Node) -> None:
    port = relay.ready["port"]
    kept = {i for i, e in by_id(node_tool("tools/fetch-all.js", f"ws://127.9.0.1:{port}")).items() if wanted(int(str(e["kind"])))}
    assert len(kept) > 1000
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {what}")
    network = TorNetwork(world, port)
    url = f"ws://{network.ready()}"
    say("the network has a consensus, service and client know it")

    daemon = world.daemon(url)
    daemon.set("network", proxy_tor=f"127.0.0.1:{network.socks}", overlay_timeout="60s")
    daemon.start()
    archive = daemon.archive()
    # Until the service's descriptor is out, Tor says that the onion is not there: that is tried again.
    until(lambda: archive.event_ids(), 240, f"the first event from {url}", daemon.alive, every=0.5)
    say("the first event")
    until(lambda: archive.event_ids() >= kept, 240, "all events are there", daemon.alive, every=0.5)
    say(f"all {len(kept)} events")
    assert archive.event_ids() == kept
    until(lambda: archive.seen_at(url) == kept, 30, "each was seen at the onion", daemon.alive)
    until(lambda: daemon.status()["relays"]["by_state"]["live"] == 1, 120, "it is followed live", daemon.alive)
    say("followed live")
    assert not [q for q in world.farm.questions() if "onion" in q["name"]], "no onion name ever meets DNS"

    # One look, without the daemon: is there a way into Tor, and how is the relay?
    checker = Checker(world, proxy_tor=f"127.0.0.1:{network.socks}", overlay_timeout="60s")
    way = checker.run("--proxy", "--json")
    assert way.returncode == 0 and json.loads(way.stdout)["verdict"] == "ok", way.stdout + way.stderr
    say(f"check --proxy: {way.stdout.strip()}")
    report = checker.report(url, timeout=50)
    assert report["network"] == "tor" and report["openable"] is report["readable"] is True and report["error"] is None, report
    assert report["us"]["proxy"] > 0 and report["us"]["dns"] is report["address"] is report["tls"] is None
    say(f"check: open {report['us']['open'] // 1000} ms, read {report['us']['read'] // 1000} ms")
    assert not [q for q in world.farm.questions() if "onion" in q["name"]], "neither does a check's"

    # Tor goes and comes back: the relay waits for it, is not blamed, and is read again.
    network.client.stop()
    until(lambda: "proxy" in str(archive.value("SELECT error FROM relay_sync")) or
          daemon.status()["relays"]["by_state"]["no_proxy"] == 1, 60, "it waits for the proxy", daemon.alive, every=0.5)
    assert archive.value("SELECT failures FROM relay_sync") == 0, "neither the lost connection nor the dead proxy counts"
    network.client.start()
    say("Tor is started again")
    until(lambda: daemon.status()["relays"]["by_state"]["live"] == 1, 180, "followed live again", daemon.alive, every=0.5)
    say("followed live again")
    daemon.stop()
