"""What the daemon itself needs is never dialled as a relay, even where private addresses are allowed: its database, its listener, its proxy."""
from __future__ import annotations

from conftest import World
from test_database import server_archive, use_server
from world.process import until
from world.servers import Postgres, free_port


def test_own_services_are_not_relays(world: World) -> None:
    """allow_addresses lets 127.0.0.0/8 through (world.daemon): only what listens there for us is refused, also after a reconnect."""
    server = Postgres(world.home, world.env)
    world.closers.append(server.stop)
    listener, proxy = free_port(), world.node("tools/socks5.js").ready["port"]
    good, = world.farm.add({"data": [{"mint": {"n": 100, "seed": 201}}]})
    world.farm.dns({"rebound.farm-relay.com": {"a": ["127.0.0.1"]}})
    own = [f"ws://127.0.0.1:{server.port}", f"ws://127.0.0.9:{server.port}", f"ws://rebound.farm-relay.com:{server.port}",
           f"ws://127.0.0.1:{listener}", f"ws://127.0.0.1:{proxy}"]
    daemon = world.daemon(good, *own)
    use_server(daemon, server, "sslmode=require")
    daemon.set("http", listen=f"127.0.0.1:{listener}")
    daemon.set("network", proxy_tor=f"127.0.0.1:{proxy}")
    archive = server_archive(server)

    def failures() -> dict[str, tuple[int, str]]:
        rows = archive.query("SELECT r.url, s.failures, s.error FROM relays r JOIN relay_sync s USING (relay_id)")
        return {url: (n, error) for url, n, error in rows if url != good.url}

    def all_refused(times: dict[str, int]) -> bool:
        now = failures()
        return set(now) == set(own) and all(now[url][0] >= n and now[url][1] == "address_denied" for url, n in times.items())
    daemon.start(wait=False)
    until(archive.answers, 30, "migrated", daemon.alive)
    until(lambda: all_refused(dict.fromkeys(own, 1)), 30, "refused by the policy", daemon.alive)
    server.stop()
    until(lambda: "away" in daemon.log(), 20, "it notices", daemon.alive)
    server.start()
    until(archive.answers, 30, "the database is back", daemon.alive)
    before = {url: n + 1 for url, (n, _) in failures().items()}
    until(lambda: all_refused(before), 30, "refused again", daemon.alive)
    until(lambda: good.record()["requests_total"] > 0, 30, "other relays at such addresses are read", daemon.alive)
    strangers = [line for line in (server.home / "log").read_text(errors="replace").splitlines() if "startup packet" in line]
    assert not strangers, strangers
    daemon.stop()
