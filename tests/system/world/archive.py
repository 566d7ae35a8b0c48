"""The archive as SQL shows it, by the names that are promised to people (relays, events, events_relays, relay_coverage, relay_gap), and
the invariant against the farm's record:

    for every event that a relay would serve us: it is archived as seen there, or refused with a reason, or its created_at lies in a
    span that is not proven, in a gap, or proven only by heuristics.
"""
from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from .farm import Relay

MIGRATIONS = len(list((Path(__file__).resolve().parents[3] / "sql").glob("*.sql")))
HEURISTIC = "heuristic"
NEVER_KEPT = {22242}


def ephemeral(kind: int) -> bool:
    return 20000 <= kind <= 29999


def wanted(kind: int) -> bool:
    """Is an event of this kind archived by the default configuration?"""
    return kind not in NEVER_KEPT and not ephemeral(kind)


@dataclass(frozen=True)
class Span:
    lo: int
    hi: int
    what: str  # a grade or a reason

    def holds(self, t: int) -> bool:
        return self.lo <= t <= self.hi


class Archive:
    """The private cluster by its socket in `host`, or a server by `url`."""

    def __init__(self, host: str = "", url: str = ""):
        self.dsn = url or f"host={host} dbname=bigbrotr user=bigbrotr connect_timeout=5"

    def connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(self.dsn)

    @contextlib.contextmanager
    def session(self) -> Iterator[psycopg2.extensions.cursor]:
        """One snapshot of the archive."""
        connection = self.connect()
        try:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.session() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall()

    def value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row; None when there is none."""
        return next((row[0] for row in self.query(sql, *values)), None)

    def execute(self, sql: str, *values: Any) -> None:
        connection = self.connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql, values or None)
        finally:
            connection.close()

    def answers(self) -> bool:
        """Up and migrated."""
        try:
            return self.value("SELECT count(*) FROM migration") >= MIGRATIONS
        except psycopg2.Error:
            return False

    # --- what is in it

    def event_ids(self) -> set[str]:
        return {row[0] for row in self.query("SELECT id FROM events")}

    def seen_at(self, url: str) -> set[str]:
        return {row[0] for row in self.query("SELECT event_id FROM events_relays WHERE relay_url = %s", url)}

    def sightings(self) -> int:
        return self.value("SELECT count(*) FROM events_relays")


def spans(cursor: psycopg2.extensions.cursor, url: str) -> tuple[list[Span], list[Span]]:
    """(proofs, gaps) of a relay, ordered."""
    cursor.execute("SELECT lo, hi, grade FROM relay_coverage WHERE relay_url = %s ORDER BY lo", (url,))
    proofs = [Span(*row) for row in cursor.fetchall()]
    cursor.execute("SELECT lo, hi, reason FROM relay_gap WHERE relay_url = %s ORDER BY lo", (url,))
    return proofs, [Span(*row) for row in cursor.fetchall()]


def seen(cursor: psycopg2.extensions.cursor, url: str) -> list[str]:
    cursor.execute("SELECT event_id FROM events_relays WHERE relay_url = %s", (url,))
    return [row[0] for row in cursor.fetchall()]


def disjoint(some: list[Span]) -> bool:
    return all(a.hi < b.lo for a, b in zip(some, some[1:]))


@dataclass
class Finding:
    relay: Relay
    faults: list[str]
    proofs: list[Span]
    gaps: list[Span]
    missing: int
    servable: int

    @property
    def complete(self) -> bool:
        """All is here, and the daemon knows it: proven without a break from 0 to the last few minutes."""
        return self.missing == 0 and not self.gaps and reaches(self.proofs) and self.proofs[-1].hi >= time.time() - 600

    def __str__(self) -> str:
        faults = "; ".join(self.faults) or "no fault"
        return (f"{self.relay}: {faults}; {self.missing} of {self.servable} missing; proofs {self.proofs[:8]} gaps {self.gaps[:8]}")


def reaches(proofs: list[Span]) -> bool:
    """Without a break from the beginning, by real proof."""
    solid = [p for p in proofs if p.what != HEURISTIC]
    if not solid or solid[0].lo > 0:
        return False
    return all(b.lo == a.hi + 1 for a, b in zip(solid, solid[1:])) and len(solid) == len(proofs)


def examine(cursor: psycopg2.extensions.cursor, relay: Relay, url: str = "", rejected: frozenset[str] = frozenset(),
            keep: Iterable[int] | None = None) -> Finding:
    """The invariant for one relay.  `keep` limits to kinds that a [filter] wants."""
    url = url or relay.url
    kinds = None if keep is None else set(keep)
    have = seen(cursor, url)
    here = set(have)
    proofs, gaps = spans(cursor, url)
    served = [e for e in relay.servable() if wanted(e[2]) and (kinds is None or e[2] in kinds)]
    missing = [e for e in served if e[0] not in here]
    faults = []
    if len(have) != len(here):
        faults.append(f"{len(have) - len(here)} sightings twice")
    if not disjoint(proofs):
        faults.append(f"coverage overlaps itself: {proofs}")
    if not disjoint(gaps):
        faults.append(f"gaps overlap: {gaps}")
    invented = here - relay.ids()
    if invented:
        faults.append(f"{len(invented)} sightings of events that it never had: {sorted(invented)[:3]}")
    solid = [p for p in proofs if p.what != HEURISTIC]
    lost = [e for e in missing if e[0] not in rejected and any(p.holds(e[1]) for p in solid) and not any(g.holds(e[1]) for g in gaps)]
    if lost:
        where = [(e[1], e[2], next(p for p in solid if p.holds(e[1]))) for e in lost[:3]]
        faults.append(f"LOST without a word: {len(lost)}, such as (created_at, kind, proof) {where}")
    return Finding(relay, faults, proofs, gaps, len(missing), len(served))


def exact(cursor: psycopg2.extensions.cursor) -> list[str]:
    """Faults that no archive may have, whatever the relays did."""
    faults = []
    for name, sql in {
        "events twice": "SELECT count(*) FROM (SELECT id FROM events GROUP BY id HAVING count(*) > 1) x",
        "sightings twice": "SELECT count(*) FROM (SELECT 1 FROM events_relays GROUP BY event_id, relay_url HAVING count(*) > 1) x",
        "relays twice": "SELECT count(*) FROM (SELECT url FROM relays GROUP BY url HAVING count(*) > 1) x",
    }.items():
        cursor.execute(sql)
        n = cursor.fetchone()[0]
        if n:
            faults.append(f"{n} {name}")
    cursor.execute("SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT 1 FROM events_relays s WHERE s.event_id = e.id)")
    orphans = cursor.fetchone()[0]
    if orphans:
        faults.append(f"{orphans} events that were seen nowhere")
    return faults


def findings(archive: Archive, relays: list[Relay], tls: bool = False) -> list[Finding]:
    """All relays in one snapshot."""
    with archive.session() as cursor:
        return [examine(cursor, r, r.wss if tls else r.url) for r in relays]


def all_complete(archive: Archive, relays: list[Relay], tls: bool = False) -> bool:
    try:
        return all(f.complete for f in findings(archive, relays, tls))
    except psycopg2.Error:
        return False


def describe(archive: Archive, relays: list[Relay], tls: bool = False) -> str:
    try:
        return "\n".join(str(f) for f in findings(archive, relays, tls) if not f.complete or f.faults)
    except psycopg2.Error as error:
        return f"the archive cannot be read: {error}"


def assert_exact(archive: Archive, relays: list[Relay], tls: bool = False) -> None:
    """Every relay complete, nothing twice, nothing invented, nothing lost; the events are those of the relays and no others."""
    with archive.session() as cursor:
        found = [examine(cursor, r, r.wss if tls else r.url) for r in relays]
        faults = exact(cursor)
        cursor.execute("SELECT id FROM events")
        have = {row[0] for row in cursor.fetchall()}
    assert not faults, faults
    bad = [str(f) for f in found if f.faults or not f.complete]
    assert not bad, "\n".join(bad)
    served = {e[0] for r in relays for e in r.servable() if wanted(e[2])}
    assert have == served, f"{len(served - have)} events missing, {len(have - served)} too many"
