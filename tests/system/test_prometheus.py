"""Metrics as Prometheus sees them: the page is clean, a real Prometheus scrapes a real daemon, every alert rule fires and is silent when
it should, and every panel of the dashboard has numbers."""
from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, World
from test_http import free_port, get, listening
from world.daemon import Daemon
from world.process import until

RULES = ROOT / "etc" / "prometheus" / "bigbrotr.rules.yml"
RULE_TESTS = ROOT / "tests" / "prometheus" / "rules.test.yml"
DASHBOARD = ROOT / "etc" / "grafana" / "bigbrotr.json"

needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None or shutil.which("promtool") is None,
                                      reason="prometheus is not installed")


def promtool(*words: str, data: str | None = None) -> None:
    done = subprocess.run(["promtool", *words], input=data, text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and "lint" not in done.stderr.lower(), done.stdout + done.stderr


@needs_prometheus
def test_the_rules() -> None:
    promtool("check", "config", str(ROOT / "etc" / "prometheus" / "prometheus.yml"))
    promtool("test", "rules", str(RULE_TESTS))
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    tested = re.findall(r"- name: (\w+) (fires|is silent)", RULE_TESTS.read_text())
    assert alerts and sorted(tested) == sorted((a, w) for a in alerts for w in ("fires", "is silent")), "every rule has both tests"


def panels() -> list[dict[str, Any]]:
    return [p for p in json.loads(DASHBOARD.read_text())["panels"] if p["type"] != "row"]


def ask(port: int, query: str) -> list[dict[str, Any]]:
    asked = urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{asked}", timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def without_data(port: int) -> list[str]:
    """Queries of the dashboard that find nothing.  What is shown only when it has happened (rejections by reason) need not have."""
    empty = []
    for panel in panels():
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m").replace("$__range", "5m").replace("$instance", ".*")
            found = ask(port, query)  # an error when it is none
            if not found and not ask(port, query.split(" and sum by ")[0]):
                empty.append(f"{panel['title']}: {query}")
    return empty


def number_of(port: int, query: str) -> float:
    """Of the one series that a query finds; -1 when Prometheus does not answer, or has none yet."""
    with contextlib.suppress(OSError):
        return next((float(r["value"][1]) for r in ask(port, query)), -1.0)
    return -1.0


@contextlib.contextmanager
def a_prometheus(home: Path, scraped: int) -> Iterator[int]:
    """One that scrapes every second, with our configuration and rules; what an alert waits for is cut to a second."""
    config, port = home / "prometheus.yml", free_port()
    config.write_text((ROOT / "etc" / "prometheus" / "prometheus.yml").read_text().replace("127.0.0.1:9464", f"127.0.0.1:{scraped}").replace("15s", "1s"))
    (home / RULES.name).write_text(re.sub(r"for: \d+[mh]", "for: 1s", RULES.read_text()))
    process = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={home / 'data'}", f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(20)


def number(port: int, name: str) -> float:
    """What the page of the daemon has now."""
    return next(float(line.rpartition(" ")[2]) for line in get(port, "/metrics")[1].splitlines() if line.startswith(f"bigbrotr_{name} "))


@needs_prometheus
def test_a_real_prometheus(world: World, tmp_path: Path) -> None:
    relay, dead = world.farm.add({"data": [{"mint": {"n": 300, "seed": 5}}]}, {"down": True})
    daemon, port, _ = listening(world)
    daemon.seeds(relay.url, dead.url)
    daemon.set("http", relay_metrics_max=2)
    daemon.set("monitor", enabled="true")
    daemon.set("synchronizer", require_readable="false")  # so that both fail with the dead one
    daemon.start()
    daemon.complete([relay])
    until(lambda: number(port, 'relay_states{state="live"}') == 1, 20, "it is followed live", daemon.alive)
    relay.publish(mint={"n": 7, "seed": 6, "times": "one", "from": int(time.time()), "to": int(time.time())})
    until(lambda: number(port, "event_latency_seconds_count") == number(port, "archive_delay_seconds_count") == 7, 20, "how late they came is known",
          daemon.alive)
    until(lambda: number(port, "coverage_spans") > 0, 20, "what is proven is known", daemon.alive)
    assert number(port, "loop_lag_seconds_count") > 10 and number(port, "database_transaction_seconds_count") > 0
    promtool("check", "metrics", data=get(port, "/metrics")[1])
    with a_prometheus(tmp_path, port) as prometheus:
        until(lambda: number_of(prometheus, 'count_over_time(bigbrotr_ready{job="bigbrotr"}[1m])') >= 3, 40, "three scrapes", daemon.alive)
        assert number_of(prometheus, "bigbrotr_events_archived_total") >= 300
        with contextlib.suppress(AssertionError):
            until(lambda: not without_data(prometheus), 15, "every panel of the dashboard has numbers", daemon.alive, every=1)
        assert not without_data(prometheus)
        for name, value in (("worker_threads", 2), ('http_connections_max{listener="main"}', 256), ("publish_queue_max", 2000)):
            assert number_of(prometheus, f"bigbrotr_{name}") == value, name
        assert number_of(prometheus, "bigbrotr_connections_max") > 0
        assert number_of(prometheus, 'changes(process_start_time_seconds{job="bigbrotr"}[1m])') == 0, "a start time that changes is a restart"
        brought, = ask(prometheus, "bigbrotr_relay_events_new_total")
        assert brought["metric"]["relay"] == relay.url and int(brought["value"][1]) == 307, "one that brought nothing has no series"
        asked = "".join(re.findall(r"expr:.*?(?:for|labels):", RULES.read_text(), re.S))
        for name in set(re.findall(r"\b(?:bigbrotr|process)_[a-z_]+", asked)):
            assert ask(prometheus, f"last_over_time({name}[1m])"), f"a rule asks for {name}, which is not there"
        some_alerts_fire(prometheus, daemon, port)


def some_alerts_fire(prometheus: int, daemon: Daemon, port: int) -> None:
    """Those whose conditions are quickly made true; for all of them see test_the_rules."""
    def fires(name: str) -> bool:
        return bool(ask(prometheus, f'ALERTS{{alertname="Bigbrotr{name}", alertstate="firing"}}'))

    named = ("ReloadRefused", "HistoryWaits", "NotReady", "DatabaseDown", "Down")
    assert not [name for name in named if fires(name)]
    daemon.set("http", relay_metrics_max=0)
    daemon.set("archive", size_max="1MiB")
    good = daemon.write_ini()
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: "bigbrotr_relay_info" not in get(port, "/metrics")[1], 10, "a reload takes single relays out", daemon.alive)
    until(lambda: fires("HistoryWaits"), 20, "history waits", daemon.alive, every=0.5)
    good.write_text("nothing that makes sense")
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: fires("ReloadRefused"), 20, "a reload is refused", daemon.alive, every=0.5)
    daemon.set("archive", size_max="0")
    daemon.write_ini()
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: not fires("HistoryWaits"), 20, "history goes on", daemon.alive, every=0.5)
    assert not fires("DatabaseDown") and not fires("Down")
    daemon.stop()
    until(lambda: fires("Down"), 20, "the daemon is down", every=0.5)
