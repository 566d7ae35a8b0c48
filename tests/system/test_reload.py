"""SIGHUP: all of a new configuration or nothing of it, under load, without a connection lost.

    RELOADS=500 python3 -m pytest -s tests/system/test_reload.py        at length, with figures
"""
from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from conftest import World
from test_http import get, listening, resident
from world.daemon import Daemon
from world.process import give, until

RELOADS = int(os.environ.get("RELOADS", "50"))
KEEPS = max(RELOADS, 120)


def count(port: int, result: str) -> int:
    name = f'bigbrotr_reloads_total{{result="{result}"}} '
    return next(int(line[len(name):]) for line in get(port, "/metrics")[1].splitlines() if line.startswith(name))


def reload(daemon: Daemon, result: str) -> str:
    """What the log says of it."""
    seen = daemon.log_bytes()
    words = {"applied": b"the configuration was reloaded", "refused": b"the configuration was not reloaded"}[result]
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: words in daemon.log_path.read_bytes()[seen:], 10, f"the reload is {result}", daemon.alive, every=0.02)
    if result == "refused":
        time.sleep(0.05)  # the reasons follow
    return daemon.log_path.read_bytes()[seen:].decode()


def test_reloads_under_load(world: World) -> None:
    relays = world.farm.add(*[{"data": [{"mint": {"n": 400, "seed": 40 + i}}]} for i in range(6)])
    daemon, port, _ = listening(world)
    daemon.seeds(*[r.url for r in relays])
    token, authorities = daemon.home / "token", daemon.home / "ca.pem"
    certificates = Path(world.farm.ca).read_text()
    authorities.write_text(certificates)
    daemon.set("network", tls_ca_file=authorities)
    daemon.set("daemon", memory_max="64MiB")  # its window of known ids is soon in use as a whole, and does not look like a leak
    daemon.start()
    daemon.complete(relays)
    connections = {r.url: r.record()["connections_total"] for r in relays}
    ini = daemon.home / "bigbrotr.ini"
    good = ini.read_text()

    never = "\n[identity]\ncontact = mailto:never@example.org\n"  # in files with a mistake elsewhere

    def write(text: str) -> None:
        ini.write_text(text)

    wrong: list[tuple[str, Callable[[], None], str]] = [
        ("a bad value", lambda: write(good.replace("retry_min = 200ms", "retry_min = soon") + never), "retry_min"),
        ("an unknown key", lambda: write(good + never + "\n[archive]\nsize_maximum = 1\n"), "size_max"),
        ("half of it", lambda: write(good[:len(good) // 2].rsplit("=", 1)[0]), ""),
        ("nobody may read it", lambda: ini.chmod(0), ""),
        ("it is gone", lambda: ini.rename(ini.with_suffix(".away")), "bigbrotr.ini"),
        ("a frozen key", lambda: write(good.replace("workers = 2", "workers = 3") + never), "workers: has changed, and needs a restart"),
        ("a file that it names is empty", lambda: (authorities.write_text(""), write(good + never)), "tls_ca_file"),
        ("a secret that is not there", lambda: write(good + never + f"\n[http]\ntoken_file = {token}\n"), "token"),
    ]
    rng = random.Random(7)
    first = 0
    took = []
    for i in range(RELOADS):
        relays[i % len(relays)].publish(mint={"n": 20, "seed": 1000 + i, "times": "one", "from": int(time.time()), "to": int(time.time())})
        what, spoil, says = wrong[i // 2 % len(wrong)] if i % 2 == 0 else ("", lambda: None, "")
        if what:
            spoil()
            log = reload(daemon, "refused")
            assert says in log, f"{what}: {log}"
            if not ini.exists():
                ini.with_suffix(".away").rename(ini)
            ini.chmod(0o640)
            authorities.write_text(certificates)
            write(good)
        else:
            good = good.replace("retry_max = 2s", "retry_max = 3s") if rng.random() < 0.5 else good.replace("retry_max = 3s", "retry_max = 2s")
            write(good)
            started = time.monotonic()
            reload(daemon, "applied")
            took.append(time.monotonic() - started)
        if i == RELOADS // 2:
            first = resident(daemon.pid)
    grown = resident(daemon.pid) - first
    lost = {r.url: r.record()["connections_total"] - connections[r.url] for r in relays}
    print(f"{RELOADS} reloads: {first} bytes after half of them, {grown} more at the end; connections lost: {sum(lost.values())}; "
          f"a reload took {1000 * statistics.median(took):.0f} ms, {1000 * max(took):.0f} at most (seen every 20 ms)")
    assert grown < 4 * 1024 * 1024, f"{grown} bytes more after {RELOADS // 2} reloads"
    assert not any(lost.values()), f"a reload costs no connection: {lost}"
    daemon.complete(relays)  # with all that they sent in the meantime
    relays[0].kick()
    again = until(lambda: relays[0].record()["connections"][connections[relays[0].url]:], 20, "it is dialled again", daemon.alive)
    assert "never" not in again[0]["agent"], "nothing of a bad file is taken"
    # A new relay in the seed file, and a new contact: it is told to whoever is dialled from now on.
    newcomer, = world.farm.add({"data": [{"mint": {"n": 20, "seed": 50}}]})
    daemon.seeds(*[r.url for r in [*relays, newcomer]])
    write(good + "\n[identity]\ncontact = mailto:new@example.org\n")
    reload(daemon, "applied")
    daemon.complete([newcomer])
    assert newcomer.record()["connections"][0]["agent"].endswith("(+mailto:new@example.org)")
    until(lambda: count(port, "applied") == RELOADS // 2 + 1 and count(port, "refused") == RELOADS - RELOADS // 2, 5, "all are counted")
    daemon.stop()


def test_reloads_keep_no_memory(world: World) -> None:
    """Everything that a reload may make anew, on a daemon that has nothing to do: what stayed of the old would be seen."""
    relay, = world.farm.add({"data": [{"mint": {"n": 20, "seed": 40}}]})
    daemon, _, _ = listening(world)
    denied = daemon.home / "denied.txt"
    denied.write_text("")
    give(denied)
    daemon.seeds(relay.url)
    daemon.set("monitor", enabled="true")
    daemon.set("finder", enabled="true", deny_file=denied)
    daemon.extra = f"""
[relay {relay.url}]
page = 200
[retention wraps]
kinds = 1059
max_age = 90d
[finder.source one]
url = http://127.0.0.1:9/one
"""
    daemon.start()
    daemon.complete([relay])
    ini = daemon.home / "bigbrotr.ini"
    first = ini.read_text()
    second = first
    for old, new in (("retry_max = 2s", "retry_max = 3s"), ("dns_timeout = 2s", "dns_timeout = 3s"), ("page = 200", "page = 300"),
                     ("tls_timeout = 5s", "tls_timeout = 6s"), ("proxy_tor = none", "proxy_tor = 127.0.0.1:9"), ("/one", "/two"),
                     ("level = info", "level = info\nmodules = http=error")):
        assert old in second
        second = second.replace(old, new)
    before = 0
    for i in range(KEEPS):
        ini.write_text(second if i % 2 == 0 else first)
        denied.write_text("".join(f"wss://denied{n}.example.com\n" for n in range(i % 7 * 100)))
        reload(daemon, "applied")
        if i == KEEPS // 3:
            before = resident(daemon.pid)
    grown = resident(daemon.pid) - before
    assert grown < 1024 * 1024, f"{grown} bytes more after {KEEPS - KEEPS // 3} reloads"
    daemon.stop()


def test_levels_of_the_log_change_at_once(world: World) -> None:
    daemon, port, _ = listening(world)
    daemon.set("log", level="error")
    daemon.start()
    until(lambda: get(port, "/ready")[0] == 200, 20, "it is ready", daemon.alive)
    assert " info " not in daemon.log(100)
    daemon.set("log", level="error", modules="daemon=info", format="json")
    daemon.write_ini()
    reload(daemon, "applied")
    assert '"module":"daemon","msg":"the configuration was reloaded"' in daemon.log(3)
    daemon.set("log", level="error", modules="nobody=info")
    daemon.write_ini()
    reload(daemon, "refused")
    assert "modules are archive" in daemon.log(3)
    daemon.stop()
