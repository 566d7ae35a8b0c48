"""Relays that real events mention: each event's are counted exactly once, whatever dies meanwhile, as a second reading of the same
events in another language says."""
from __future__ import annotations

import collections
import importlib.util
import json
import lzma
import random
import re
import time
from pathlib import Path
from types import ModuleType

import pytest

from conftest import World
from world.process import until

TESTS = Path(__file__).resolve().parents[1]


def oracle() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hints_oracle", TESTS / "unit" / "nostr" / "hints_oracle.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_mention_is_counted_once(world: World, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    reading, file, kills = oracle(), tmp_path / "events.jsonl", pytestconfig.getoption("--mention-kills")
    events = [json.loads(line) for line in lzma.open(TESTS / "data" / "events-real.jsonl.xz", "rt", encoding="utf-8")][:1000]
    # Names lead nowhere here, but an address would be dialled.
    chosen = [e for e in events if not any(re.match(r"wss?://[0-9.\[]+[:/]?", url) for url in reading.relays(e))]
    file.write_text("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in chosen), encoding="utf-8")
    relays = world.farm.add(*({"cap": 40, "reply_delay_ms": 10 * kills, "data": [{"file": str(file), "share": 0.8, "seed": seed}]}
                              for seed in (1, 2, 3)))
    daemon = world.daemon(*relays)
    daemon.set("finder", enabled="true", probes_per_hour=1, rows=1000000, share_rows=1000000)  # so that no row makes room
    all_of_them = {i for relay in relays for i, _, kind, _ in relay.servable() if not 20000 <= kind < 30000}
    for _ in range(kills):
        daemon.start()
        archive = daemon.archive()
        seen = archive.value("SELECT count(*) FROM event")
        until(lambda before=seen: before == len(all_of_them) or archive.value("SELECT count(*) FROM event") > before, 30, "more events",
              daemon.alive, every=0.02)
        time.sleep(random.random() * 0.2)
        daemon.kill()
    daemon.start()
    archive = daemon.archive()
    until(lambda: archive.value("SELECT count(*) FROM event") == len(all_of_them), 60, "all events are there", daemon.alive)
    want: collections.Counter[tuple[str, str]] = collections.Counter()
    for text, in archive.query("SELECT event_json(id) FROM events"):
        want.update((url, source) for url, (_, source) in reading.relays(json.loads(text)).items())
    rows = archive.query("SELECT url, source, sum(mentions)::int8 FROM (SELECT url, source, mentions FROM mention_new UNION ALL "
                         "SELECT url, source, m.mentions FROM candidate_mention m JOIN candidate USING (candidate_id)) x GROUP BY 1, 2")
    got = {(url, source): n for url, source, n in rows}
    assert len(want) > 100
    assert got == dict(want)
    daemon.stop()
