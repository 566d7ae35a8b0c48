"""A person's own PostgreSQL, directly with verified TLS and through PgBouncer in transaction mode, with relays being archived."""
from __future__ import annotations

import pytest

from conftest import World
from test_database import server_archive, use_server, wait_complete
from world.archive import assert_exact
from world.farm import Relay
from world.process import until
from world.servers import PgBouncer, Postgres


@pytest.fixture
def server(world: World) -> Postgres:
    server = Postgres(world.home, world.env)
    world.closers.append(server.stop)
    return server


def relays(world: World) -> list[Relay]:
    shared = {"n": 600, "seed": 101, "times": "bursty", "exotic": 0.2}
    return world.farm.add(*({"cap": cap, "data": [{"mint": shared, "share": 0.8, "seed": cap}]} for cap in (50, 100, 300, 500)))


def test_verified_tls(world: World, server: Postgres) -> None:
    some = relays(world)
    daemon = world.daemon(*some)
    use_server(daemon, server, f"sslmode=verify-full&sslrootcert={server.ca}")
    daemon.start(wait=False)
    archive = server_archive(server)
    wait_complete(daemon, archive, some)
    assert_exact(archive, some)
    assert archive.value("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_port > 0")
    assert server.password not in daemon.log(10000)
    daemon.stop()


def test_a_stranger_in_the_servers_place_is_refused(world: World, server: Postgres) -> None:
    daemon = world.daemon()
    use_server(daemon, server, f"sslmode=verify-full&sslrootcert={world.farm.ca}")
    daemon.start(wait=False)
    until(lambda: "certificate" in daemon.log(), 20, "it says why", None)
    assert not server_archive(server).answers()


def test_pgbouncer_in_transaction_mode(world: World, server: Postgres) -> None:
    bouncer = PgBouncer(world.home, world.env, server)
    world.closers.append(bouncer.stop)
    some = relays(world)
    daemon = world.daemon(*some)
    use_server(daemon, server, "sslmode=disable")  # for its password
    daemon.set("database", url=f"postgresql://archivist@127.0.0.1:{bouncer.port}/archive?sslmode=disable")
    daemon.start(wait=False)
    archive = server_archive(server)
    wait_complete(daemon, archive, some)
    assert_exact(archive, some)
    daemon.stop()
    daemon.start(wait=False)
    # The server answers anyway: wait for the daemon, which would die of a SIGTERM before it listens to signals.
    until((daemon.state / "control.sock").exists, 20, "a second start", daemon.alive)
    daemon.stop()


def test_daemons_that_start_together(world: World, server: Postgres) -> None:
    """Both migrate, one waits for the other; afterwards the archive is exact although both archive the same relays."""
    some = relays(world)
    pair = [world.daemon(*some, name=name) for name in ("a", "b")]
    for daemon in pair:
        use_server(daemon, server, "sslmode=require")
        daemon.start(wait=False)
    archive = server_archive(server)
    wait_complete(pair[0], archive, some)
    assert_exact(archive, some)
    for daemon in pair:
        daemon.stop()
