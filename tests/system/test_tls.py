"""wss:// and names: an authority of our own is trusted when a key says so, bad certificates are refused and typed, and names that do not
resolve hold up nobody."""
from __future__ import annotations

from typing import Any

from conftest import World
from world.archive import assert_exact
from world.farm import Relay
from world.process import until

DATA: dict[str, Any] = {"data": [{"mint": {"n": 200, "seed": 81}}]}


def errors(daemon: Any, relays: list[Relay]) -> dict[str, str]:
    rows = dict(daemon.archive().query("SELECT r.url, s.error FROM relays r JOIN relay_sync s USING (relay_id)"))
    return {r.wss: rows.get(r.wss, "") for r in relays}


def test_certificates(world: World) -> None:
    good, modern, resumed = world.farm.add(DATA, {**DATA, "tls": {"maxVersion": "TLSv1.2"}}, {**DATA, "cut": {"after": 50, "how": "close", "times": 3}})
    bad = {"expired": "tls_cert_expired", "not_yet": "tls_cert_expired", "other_name": "tls_cert_name", "self_signed": "tls_cert",
           "unknown_ca": "tls_cert"}
    refused = dict(zip(world.farm.add(*({**DATA, "cert": kind} for kind in bad)), bad.values()))
    daemon = world.daemon(*(r.wss for r in (good, modern, resumed, *refused)))
    daemon.set("network", tls_ca_file=world.farm.ca)
    daemon.start()
    daemon.complete([good, modern, resumed], tls=True)
    want = {r.wss: error for r, error in refused.items()}
    until(lambda: errors(daemon, list(refused)) == want, 20, f"typed errors {want}", daemon.alive)
    assert all(r.record()["requests_total"] == 0 for r in refused)
    assert_exact(daemon.archive(), [good, modern, resumed], tls=True)
    daemon.stop()


def test_without_the_authority_nothing_is_trusted(world: World) -> None:
    relay, = world.farm.add(DATA)
    daemon = world.daemon(relay.wss).start()
    until(lambda: errors(daemon, [relay]) == {relay.wss: "tls_cert"}, 20, "refused", daemon.alive)
    assert relay.record()["connections_total"] == 0
    daemon.stop()


def test_recording_instead_of_refusing(world: World) -> None:
    relay, = world.farm.add({**DATA, "cert": "expired"})
    daemon = world.daemon(relay.wss)
    daemon.set("network", tls_ca_file=world.farm.ca, tls_verify="record")
    daemon.start()
    daemon.complete([relay], tls=True)
    daemon.stop()


def test_names_that_do_not_resolve(world: World) -> None:
    """Each fault is typed by its blame, forbidden addresses are never dialled, and a good relay does not wait for the dead names."""
    good, six, canary = world.farm.add(DATA, DATA, {**DATA, "n": 70000})  # 127.2.x.x: not allowed below
    port = world.farm.ready["wss"]
    faults = {"timeout": "dns_failed", "servfail": "dns_failed", "refused": "dns_failed", "nxdomain": "dns_not_found", "loop": None,
              "garbage": "dns_failed"}
    names = {f"{fault}.farm-relay.com": error for fault, error in faults.items()}
    world.farm.dns({
        **{f"{fault}.farm-relay.com": {"fault": fault} for fault in faults},
        "private.farm-relay.com": {"a": [canary.address, "10.1.2.3"]},
        "mixed.farm-relay.com": {"a": [canary.address, good.address]},
        # The farm listens on IPv4 only: IPv6 is offered, refused, and the other family must be tried.
        six.host: {"a": [six.address], "aaaa": ["::1"]},
        **{f"dead{i}.farm-relay.com": {"fault": "timeout"} for i in range(300)},
    })
    dead = [f"wss://dead{i}.farm-relay.com:{port}" for i in range(300)]
    urls = [f"wss://{name}:{port}" for name in names]
    private, mixed = f"wss://private.farm-relay.com:{port}", f"wss://mixed.farm-relay.com:{port}"
    daemon = world.daemon(*dead, *urls, private, mixed, good.wss, six.wss)
    daemon.set("network", tls_ca_file=world.farm.ca, allow_addresses="127.0.0.0/15, ::1")
    daemon.start()
    daemon.complete([good, six], timeout=30, tls=True)
    want = {f"wss://{name}:{port}": error for name, error in names.items() if error} | {private: "address_denied"}

    def known() -> dict[str, str]:
        rows = dict(daemon.archive().query("SELECT r.url, s.error FROM relays r JOIN relay_sync s USING (relay_id)"))
        return {url: rows.get(url, "") for url in want}
    until(lambda: known() == want, 30, f"typed errors {want}", daemon.alive)
    assert canary.host_record()["connects_total"] == 0, "a forbidden address is never dialled, whatever stands beside it"
    daemon.stop()
