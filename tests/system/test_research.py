"""docs/research.md: each of its queries runs as the role that may only read, against an archive of real events, and answers."""
from __future__ import annotations

import lzma
import re
import time

from conftest import ROOT, World
from world.process import until

PAGE = (ROOT / "docs" / "research.md").read_text()
QUERIES = re.findall(r"^([A-Z][^\n]*):\n\n```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# Of what an archive of two healthy relays has nothing: no relay is dying, no span is a gap.
EMPTY = {"What may be lost soon, by relay", "Why spans could not be read"}


def test_every_query_answers(world: World) -> None:
    assert len(QUERIES) == PAGE.count("```sql") == 20
    path = world.home / "events.jsonl"
    path.write_bytes(lzma.decompress((ROOT / "tests" / "data" / "events-real.jsonl.xz").read_bytes()))
    fresh = {"mint": {"n": 20, "seed": 5, "from": int(time.time()) - 600, "to": int(time.time()) - 60}}
    relays = world.farm.add({"data": [{"file": str(path)}, fresh]}, {"data": [{"file": str(path), "share": 0.5, "seed": 2}, fresh]})
    daemon = world.daemon(*relays)
    daemon.set("monitor", enabled="true", interval_clearnet="2s")
    daemon.start()
    daemon.complete(relays)
    until(lambda: daemon.archive().value("SELECT count(*) FROM readable_relays JOIN relay_uptime USING (relay_url)") == 2, 30,
          "both are checked", daemon.alive)
    with daemon.archive().session() as cursor:
        cursor.execute("SELECT p.event_id, e.pubkey FROM event_propagation p JOIN events e ON e.id = p.event_id WHERE p.delay_ms > 0 LIMIT 1")
        event, _ = cursor.fetchone() or ("", "")
        assert event, "some events were seen live at both"
        cursor.execute("SELECT pubkey FROM events WHERE kind = 1 LIMIT 1")
        author = cursor.fetchone()[0]
        cursor.execute("SELECT t ->> 1 FROM events e, jsonb_array_elements(e.tags) t WHERE t ->> 0 = 'e' AND length(t ->> 1) = 64 LIMIT 1")
        target = cursor.fetchone()[0]
        cursor.execute("SET ROLE bigbrotr_reader")
        for title, sql in QUERIES:
            asked = target if title.startswith("What answers") else event
            for name, value in (("AUTHOR", author), ("EVENT", asked), ("RELAY", relays[0].url)):
                sql = sql.replace(f"'{name}'", f"'{value}'")
            cursor.execute(sql)
            assert bool(cursor.fetchall()) != (title in EMPTY), f"{title}: rows or none?\n{sql}"
        cursor.execute("RESET ROLE")
        # The tables of the page name what there is.
        for table in ("grade",):
            cursor.execute(f"SELECT name FROM {table}")
            assert all(f"`{name}`" in PAGE for name, in cursor.fetchall())
        drawn = PAGE.split("```text\n", 1)[1].split("```", 1)[0]
        for name in set(re.findall(r"\b(?:relays?|events?|nip\d\d)(?:_[a-z_]+)?\b(?=[ ,(])", re.sub(r" {3,}\S.*$", "", drawn, flags=re.M))):
            if name in ("event_id", "relay_url", "relay"):
                continue
            cursor.execute("SELECT (SELECT count(*) FROM pg_class WHERE relname = %s) + (SELECT count(*) FROM pg_proc WHERE proname = %s)",
                           (name, name))
            assert cursor.fetchone()[0] > 0, name
    daemon.stop()
