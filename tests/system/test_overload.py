"""More comes than there is room for: many live relays get a burst of new events at the same moment, several times what the daemon may
hold.  Nothing is lost: what the live tail does not bring, because it was held, the walk does."""
from __future__ import annotations

import time

from conftest import World
from world.archive import exact, findings
from world.process import until

RELAYS = 40
BURST = {"n": 2000, "seed": 902, "times": "dense", "dense": 900, "dense-seconds": 1, "content": "1000-2000"}


def test_a_burst_at_every_live_relay(world: World) -> None:
    relays = world.farm.add(*({"data": [{"mint": {"n": 100, "seed": 901}}]} for _ in range(RELAYS)))
    daemon = world.daemon(*relays)
    daemon.set("daemon", memory_max="64MiB")
    daemon.set("synchronizer", page=1000)  # so that the second with 900 events is not too dense to be walked
    daemon.start()
    daemon.complete(relays)
    until(lambda: daemon.status()["relays"]["by_state"]["live"] == RELAYS, 30, "live at every relay", daemon.alive)
    archive = daemon.archive()

    now = int(time.time())
    file = str(world.farm.mint(**BURST, **{"from": now - 60, "to": now}))
    for relay in relays:
        relay.publish(file=file)

    everything = len(set().union(*(r.ids() for r in relays)))

    # A second of 900 events is more than a page that a busy machine has made smaller: it may end as a declared gap.
    def settled() -> bool:
        found = findings(archive, relays)
        return (archive.value("SELECT count(*) FROM events") == everything
                and all(f.missing == 0 or any(g.what == "dense" for g in f.gaps) for f in found))

    try:
        until(settled, 60, "every event is seen at every relay, or declared", daemon.alive, every=1)
    except AssertionError as error:
        bad = [f for f in findings(archive, relays) if f.missing]
        raise AssertionError(f"{error}: {len(bad)} relays\n" + "\n".join(map(str, bad[:4]))) from None
    found = findings(archive, relays)
    assert not [f for f in found if f.faults], "\n".join(str(f) for f in found if f.faults)
    assert sum(f.missing for f in found) < 0.2 * sum(f.servable for f in found), "what is declared is the exception"
    with archive.session() as cursor:
        assert not exact(cursor)
    daemon.stop()
