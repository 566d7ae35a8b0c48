"""The unit under a real systemd, on a machine of its own: it starts within its sandbox and archives; a reload; a database that stands
still is waited for; a daemon that hangs is killed by the watchdog and comes back; it stops in order.

The other end of NOTIFY_SOCKET by hand is in test_supervised.py, which runs everywhere.
"""
from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, World
from test_http import TOKEN, free_port, get
from world.daemon import find_program
from world.machine import Machine, MachineError
from world.process import until

UNIT = "bigbrotr.service"
WATCHDOG_S = 4  # 60 in the unit: nobody has so much time here
STATISTICS_S = 5  # how often the daemon asks the database how large it is


@pytest.fixture
def machine(world: World) -> Iterator[Machine]:
    try:
        machine = Machine(world.home)
    except MachineError as error:
        pytest.skip(f"no systemd can be started here: {error}")
    try:
        yield machine
        print(machine.journal(UNIT))  # shown when the test fails
    finally:
        machine.close()


def install(machine: Machine, build: Path, ini: str, seeds: str) -> None:
    units = machine.path("/etc/systemd/system")
    shutil.copy(find_program(build, "bigbrotrd"), machine.path("/usr/sbin/bigbrotrd"))
    shutil.copy(ROOT / "packaging" / "systemd" / UNIT, units)
    (units / f"{UNIT}.d").mkdir(exist_ok=True)
    (units / f"{UNIT}.d" / "test.conf").write_text(
        f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=100ms\nLoadCredential=token:/etc/bigbrotr/token\n")
    machine.run("rm", "-rf", "/etc/bigbrotr", "/var/lib/bigbrotr")
    machine.run("sed", "-i", "/^bigbrotr:/d", *(f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow")))  # this machine may have it
    for kind, command in (("sysusers", ("systemd-sysusers",)), ("tmpfiles", ("systemd-tmpfiles", "--create"))):
        file = f"/usr/lib/{kind}.d/bigbrotr.conf"
        shutil.copy(ROOT / "packaging" / "systemd" / f"bigbrotr.{kind}", machine.path(file))
        machine.run(*command, file)
    made = machine.run("stat", "-c", "%a %U %G", "/etc/bigbrotr", "/var/lib/bigbrotr")
    assert made.split("\n")[:2] == ["750 root bigbrotr", "700 bigbrotr bigbrotr"], made
    for name, text in (("bigbrotr.ini", ini), ("seeds.txt", seeds), ("priority.txt", ""), ("token", TOKEN)):
        machine.path(f"/etc/bigbrotr/{name}").write_text(text)
    machine.run("sh", "-c", "chmod 640 /etc/bigbrotr/* && chgrp bigbrotr /etc/bigbrotr/*.* && chmod 600 /etc/bigbrotr/token")


def status(port: int) -> dict[str, Any]:
    return json.loads(get(port, "/status", TOKEN)[1])


def archived(port: int) -> int:
    return status(port)["run"]["archived"]


def is_ready(port: int) -> bool:
    try:
        return get(port, "/ready", TOKEN)[0] == 200 and status(port)["archive"]["events"] > 0
    except OSError:
        return False


def main_process(machine: Machine) -> int:
    return int(machine.show(UNIT, "MainPID"))


def restarts(machine: Machine) -> int:
    return int(machine.show(UNIT, "NRestarts"))


def test_a_life_under_systemd(world: World, machine: Machine, build: Path) -> None:
    relay, = world.farm.add({"data": [{"mint": {"n": 300, "seed": 5}}]})
    daemon, port = world.daemon(relay), free_port()
    daemon.set("daemon", state_dir=None)
    daemon.set("initializer", seed_file="/etc/bigbrotr/seeds.txt", priority_file="/etc/bigbrotr/priority.txt")
    daemon.set("http", listen=f"127.0.0.1:{port}")
    install(machine, build, daemon.write_ini().read_text(), f"{relay.url}\n")
    machine.boot()

    machine.run("systemctl", "start", UNIT)
    assert get(port, "/status")[0] == 401, "the token is a credential, which only root can read"
    until(lambda: archived(port) == 300, 60, "it archives within its sandbox")
    first = main_process(machine)
    assert machine.show(UNIT, "StatusText").startswith("archiving")

    # A reload that is good, and one that is not: the daemon goes on.
    machine.run("systemctl", "reload", UNIT)
    until(lambda: "the configuration was reloaded" in machine.journal(UNIT), 10, "it reloads")
    ini = machine.path("/etc/bigbrotr/bigbrotr.ini")
    good = ini.read_text()
    ini.write_text(good + "[nothing]\n")
    machine.run("systemctl", "reload", UNIT)
    until(lambda: "unknown section [nothing]" in machine.run("journalctl", "-u", UNIT, "-p", "err"), 10, "that is an error in the journal")
    ini.write_text(good)

    # The database stands still: nobody is killed for that.
    others = [pid for pid in machine.processes(UNIT) if pid != first]
    assert len(others) > 5
    machine.kill("STOP", others)
    time.sleep(STATISTICS_S + 1.5 * WATCHDOG_S)  # by then something has been asked of it that does not come
    assert main_process(machine) == first and restarts(machine) == 0 and get(port, "/health")[0] == 200
    machine.kill("CONT", others)

    # The daemon stands still: it is killed and comes back, and its database with it.
    machine.kill("STOP", [first])
    until(lambda: restarts(machine) == 1, 6 * WATCHDOG_S, "the watchdog kills it")
    assert "Watchdog timeout" in machine.journal(UNIT)
    until(lambda: is_ready(port), 60, "it is back")
    second = main_process(machine)
    assert second not in (0, first) and not set(others) & set(machine.processes(UNIT)), "nothing is left of the first"
    assert status(port)["archive"]["events"] == 300

    machine.run("systemctl", "stop", UNIT)
    assert machine.show(UNIT, "Result") == "success" and machine.show(UNIT, "ExecMainStatus") == "0"
    assert not machine.processes(UNIT)
