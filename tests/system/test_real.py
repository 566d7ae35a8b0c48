"""Real input: real events behind a protocol engine that is not ours.  Everything that it delivers to a plain REQ client arrives once,
`bigbrotr export` gives the same seven fields, and an implementation that is not ours verifies each."""
from __future__ import annotations

import json
import lzma
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, World
from world.archive import spans, wanted
from world.process import as_unprivileged, until
from world.servers import node_tool

FIELDS = ("id", "pubkey", "created_at", "kind", "tags", "content", "sig")


def real_events(world: World) -> Path:
    packed = ROOT / "tests" / "data" / "events-real.jsonl.xz"
    if not packed.exists():
        pytest.skip(f"{packed} is not there")
    path = world.home / "events.jsonl"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return path


def by_id(text: str) -> dict[str, dict[str, object]]:
    events = [json.loads(line) for line in text.split("\n") if line]
    assert len({e["id"] for e in events}) == len(events), "an event twice"
    return {e["id"]: {k: e[k] for k in FIELDS} for e in events}


@pytest.mark.parametrize("cap", [500, 77])
def test_real_events_behind_a_foreign_relay(world: World, cap: int) -> None:
    relay = world.node("third-party-relay/serve.js", str(real_events(world)), "--cap", str(cap))
    url = f"ws://127.9.0.1:{relay.ready['port']}"
    delivered = by_id(node_tool("tools/fetch-all.js", url))
    kept = {i: e for i, e in delivered.items() if wanted(int(str(e["kind"])))}
    assert len(kept) > 1000

    daemon = world.daemon(url).start()
    archive = daemon.archive()
    until(lambda: archive.event_ids() >= set(kept), 90, "all real events are there", daemon.alive)
    assert archive.event_ids() == set(kept)
    until(lambda: archive.seen_at(url) == set(kept), 10, "each was seen at the relay", daemon.alive)

    def proven() -> bool:
        with archive.session() as cursor:
            proofs, gaps = spans(cursor, url)
        return not gaps and bool(proofs) and proofs[0].lo == 0
    until(proven, 30, "the relay is proven complete", daemon.alive)

    exported = daemon.bigbrotr("export")
    assert exported.returncode == 0, exported.stderr
    assert by_id(exported.stdout) == kept
    order = [(e["created_at"], e["id"]) for e in map(json.loads, filter(None, exported.stdout.split("\n")))]
    assert order == sorted(order)
    if cap == 500:
        verdict = json.loads(node_tool("tools/verify-events.js", data=exported.stdout))
        assert verdict == {"good": len(kept), "bad": 0, "first_bad": ""}
    daemon.stop()


def test_export_and_import_are_inverse(world: World) -> None:
    relay, = world.farm.add({"data": [{"mint": {"n": 500, "seed": 8, "exotic": 1, "kinds": "0,1,5,30023"}}]})
    first = world.daemon(relay, name="a").start()
    first.complete([relay])
    exported = first.bigbrotr("export").stdout
    second = world.daemon(name="b")
    second.set("synchronizer", enabled="false")
    second.start()
    # Interrupted in the middle, it is said again: nothing is lost, nothing is there twice.
    lines = [line + "\n" for line in exported.split("\n")[:-1]]
    begun = subprocess.Popen(as_unprivileged([str(second.tool), "-c", str(second.write_ini()), "import"]), stdin=subprocess.PIPE, text=True,
                             stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=second.env)
    assert begun.stdin is not None
    begun.stdin.write("".join(lines[:250]))
    begun.stdin.flush()
    begun.kill()
    begun.wait()
    half = second.bigbrotr("--json", "import", data="".join(lines[:300]))
    assert half.returncode == 0 and json.loads(half.stdout)["refused"] == 0, half.stderr
    # What is there is left alone, whatever its copy's signature says; of what is new each is verified.
    spoilt = [json.dumps({**json.loads(line), "sig": "0" * 128}) + "\n" for line in (lines[0], lines[300])]
    done = second.bigbrotr("--json", "import", data="".join([spoilt[0], *lines[1:300], spoilt[1], *lines[301:]]))
    assert done.returncode == 3 and done.stderr.startswith("line 301: signature"), done.stderr
    assert json.loads(done.stdout) == {"read": len(lines), "stored": len(lines) - 301, "known": 300, "refused": 1}
    assert json.loads(second.bigbrotr("--json", "import", data=exported).stdout)["stored"] == 1
    assert second.bigbrotr("export").stdout == exported
    verified = second.bigbrotr("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    first.stop()
    second.stop()
