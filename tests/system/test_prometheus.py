"""Metrics as Prometheus sees them: the page is clean, a real Prometheus scrapes a real daemon, every alert rule fires and is silent when
it should, and every panel of the dashboard has numbers."""
from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, World
from test_http import free_port, get, listening
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


@needs_prometheus
def test_a_real_prometheus(world: World, tmp_path: Path) -> None:
    relay, dead = world.farm.add({"data": [{"mint": {"n": 300, "seed": 5}}]}, {"down": True})
    daemon, port, _ = listening(world)
    daemon.seeds(relay.url, dead.url)
    daemon.set("http", relay_metrics_max=2)
    daemon.start()
    daemon.complete([relay])
    promtool("check", "metrics", data=get(port, "/metrics")[1])
    prometheus = free_port()
    config = tmp_path / "prometheus.yml"
    text = (ROOT / "etc" / "prometheus" / "prometheus.yml").read_text()
    shutil.copy(RULES, tmp_path)
    config.write_text(text.replace("127.0.0.1:9464", f"127.0.0.1:{port}").replace("15s", "1s"))
    process = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{prometheus}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def scraped() -> bool:
            try:
                return any(int(r["value"][1]) >= 3 for r in ask(prometheus, 'count_over_time(bigbrotr_ready{job="bigbrotr"}[1m])'))
            except OSError:
                return False
        until(scraped, 40, "three scrapes", daemon.alive)
        stored, = ask(prometheus, "bigbrotr_events_archived_total")
        assert int(stored["value"][1]) >= 300
        for panel in panels():
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
                assert ask(prometheus, query), f"{panel['title']}: nothing for {query}"
        brought, = ask(prometheus, "bigbrotr_relay_events_new_total")
        assert brought["metric"]["relay"] == relay.url and int(brought["value"][1]) == 300, "one that brought nothing has no series"
        asked = "".join(re.findall(r"expr:.*?(?:for|labels):", RULES.read_text(), re.S))
        names = set(re.findall(r"\b(?:bigbrotr|process)_[a-z_]+", asked))
        for name in names:
            assert ask(prometheus, f"last_over_time({name}[1m])"), f"a rule asks for {name}, which is not there"
    finally:
        process.terminate()
        process.wait(20)
    daemon.set("http", relay_metrics_max=0)
    daemon.write_ini()
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: "bigbrotr_relay_info" not in get(port, "/metrics")[1], 10, "a reload takes single relays out", daemon.alive)
    daemon.stop()
