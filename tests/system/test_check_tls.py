"""bigbrotr check over TLS: certificates of every evil kind, keys, versions, ciphers and signatures; exactly one verdict for each library,
for the certificate that was meant.  No daemon and no database run here."""
from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from conftest import World
from test_check import DATA, Checker, error, table
from world.daemon import find_program
from world.process import until
from world.servers import free_port


def library_is_new(world: World) -> bool:
    """mbedTLS 3.6, or 2.28: some failures are told by the one and found by the other."""
    text = subprocess.run([str(find_program(world.build, "bigbrotrd")), "--version"], env=Checker(world).env, text=True, capture_output=True,
                          timeout=10, check=True).stdout
    found = re.search(r"(\d+)\.\d+\.\d+, libpq", text)
    assert found, text
    return int(found[1]) >= 3


def leaf(report: dict[str, Any]) -> Any:
    """Whose certificate was seen: the farm must not have shown another one."""
    chain = (report["tls"] or {}).get("chain")
    return chain[0]["subject"] if chain else None


def test_certificates(world: World) -> None:
    table(world, {
        "good": ({}, (None, "CN=good")),
        "expired": ({"cert": "expired"}, ("tls_cert_expired", "CN=expired")),
        "not yet valid": ({"cert": "not_yet"}, ("tls_cert_expired", "CN=not_yet")),
        "for another name": ({"cert": "other_name"}, ("tls_cert_name", "CN=other_name")),
        "for no name": ({"cert": "no_names"}, ("tls_cert_name", "CN=farm no_names")),
        "self-signed": ({"cert": "self_signed"}, ("tls_cert", "CN=self")),
        "unknown authority": ({"cert": "unknown_ca"}, ("tls_cert", "CN=unknown_ca")),
        "the authority in between is missing": ({"cert": "no_middle"}, ("tls_cert", "CN=farm no_middle")),
        "a stranger in the chain": ({"cert": "turned"}, (None, "CN=farm below")),
        "an authority as a server": ({"cert": "ca_leaf"}, (None, "CN=farm ca_leaf")),
        # Nobody is asked whether it was taken back: that would tell a third party whom we visit.
        "revoked": ({"cert": "revoked"}, (None, "CN=revoked")),
        "seven authorities in between": ({"cert": "chain7"}, (None, "CN=farm chain7")),
        "nine: longer than the library follows": ({"cert": "chain9"}, ("tls_cert", None)),
        "1,000 names, more than a record holds": ({"cert": "many_names"}, ("tls_protocol", None)),
        "10,000 names": ({"cert": "too_many"}, ("tls_protocol", None)),
        "says nothing": ({"silent_accept": True}, ("timeout", None)),
    }, lambda report: (error(report), leaf(report)), tls=True)


def fronts(world: World, checker: Checker, cases: dict[str, tuple[dict[str, Any], Any]]) -> list[dict[str, Any]]:
    """One relay behind as many TLS servers as there are cases; the certificate is the farm's of that name."""
    relay, = world.farm.add(DATA)
    directory = world.farm.ca.parent
    urls = []
    for options, _ in cases.values():
        kind = options.get("cert", "good")
        if not (directory / f"{kind}.pem").exists():
            checker.report(world.farm.add({**DATA, "cert": kind})[0].wss)  # it is made
        pair = {what: (directory / f"{kind}.{end}").read_text() for what, end in (("key", "key"), ("cert", "pem"))}
        front = world.node("tools/tls-front.js", str(directory), relay.address, str(world.farm.ready["ws"]),
                           json.dumps({"ciphers": "ALL:@SECLEVEL=0", **options, **pair}))
        urls.append(f"wss://{relay.host}:{front.ready['port']}")
    return checker.reports(urls)


def test_keys_and_what_is_in_common(world: World) -> None:
    """Keys of every size; versions and ciphers that nobody should speak any more, where the handshake fails by the word of one side."""
    new = library_is_new(world)
    old_rsa = {"maxVersion": "TLSv1.2", "sigalgs": "RSA+SHA256"}
    version = "tls_alert" if new else "tls_protocol"
    cases: dict[str, tuple[dict[str, Any], Any]] = {
        "rsa 512": ({"cert": "rsa512", **old_rsa}, "tls_cert"),
        "rsa 1024": ({"cert": "rsa1024", **old_rsa}, "tls_cert"),
        "rsa 2048": ({"cert": "rsa2048", **old_rsa}, None),
        "rsa 8192": ({"cert": "rsa8192", **old_rsa}, None),
        # A server that follows its own order, and nothing newer than TLS 1.2: 3.6 cannot read the signature, and asks for another one.
        "PSS over TLS 1.2": ({"cert": "rsa2048", "maxVersion": "TLSv1.2"}, None),
        "nothing but PSS over TLS 1.2": ({"cert": "rsa2048", "maxVersion": "TLSv1.2", "sigalgs": "RSA-PSS+SHA256"}, "tls_alert"),
        "TLS 1.0 only": ({"minVersion": "TLSv1", "maxVersion": "TLSv1"}, version),
        "TLS 1.1 only": ({"minVersion": "TLSv1.1", "maxVersion": "TLSv1.1"}, version),
        "TLS 1.3 only": ({"minVersion": "TLSv1.3"}, None if new else "tls_alert"),
        "no encryption": ({"ciphers": "NULL-SHA256:@SECLEVEL=0", "maxVersion": "TLSv1.2"}, "tls_alert"),
        "no authentication": ({"ciphers": "ADH-AES128-SHA:@SECLEVEL=0", "maxVersion": "TLSv1.2", "dhparam": "auto"}, "tls_alert"),
        "CBC": ({"ciphers": "ECDHE-ECDSA-AES128-SHA", "maxVersion": "TLSv1.2"}, None),
        "static RSA": ({"cert": "rsa2048", "ciphers": "AES128-GCM-SHA256", **old_rsa}, None),
        "DHE": ({"cert": "rsa2048", "ciphers": "DHE-RSA-AES128-GCM-SHA256", "dhparam": "auto", **old_rsa}, None),
    }
    found = fronts(world, Checker(world), cases)
    wrong = {name: (error(report), want, report["error_text"]) for (name, (_, want)), report in zip(cases.items(), found) if error(report) != want}
    assert not wrong, wrong
    assert [leaf(r) for r in found[:4]] == [f"CN=farm rsa{n}" for n in (512, 1024, 2048, 8192)]


@contextlib.contextmanager
def s_server(world: World, kind: str, *options: str) -> Iterator[str]:
    """openssl with a certificate of the farm's: it shows what Node does not; its URL."""
    relay, = world.farm.add({**DATA, "cert": kind})
    Checker(world).report(relay.wss)  # now the certificate is there
    port, directory = free_port(), world.farm.ca.parent
    weak = world.home / "weak.cnf"
    weak.write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nCipherString = ALL:@SECLEVEL=0\n")
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", directory / f"{kind}.pem", "-cert_chain",
                               directory / f"{kind}.pem", "-key", directory / f"{kind}.key", "-tls1_2", "-www", *options],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env={**world.env, "OPENSSL_CONF": str(weak)})
    try:
        world.farm.dns({"old.farm-relay.com": {"a": ["127.0.0.1"]}})
        until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 10, "openssl listens")
        yield f"wss://old.farm-relay.com:{port}"
    finally:
        server.terminate()
        server.wait(10)


def test_certificates_signed_with_old_hashes(world: World) -> None:
    for kind in ("sha1", "md5"):
        with s_server(world, kind, "-cipher", "ALL:@SECLEVEL=0") as url:
            report = Checker(world).report(url, timeout=3)
        assert report["error"] == "tls_cert" and "unacceptable hash" in report["error_text"], report
        assert leaf(report) == f"CN=farm {kind}"


def test_an_rsa_certificate_over_tls_1_2(world: World) -> None:
    """mbedTLS 3.6 offers PSS and cannot read it there: what it can read is offered first."""
    with s_server(world, "rsa2048") as url:
        report = Checker(world).report(url, timeout=3)
    assert report["error"] == "ws_refused" and leaf(report) == "CN=farm rsa2048", "it says HTTP 200, over TLS"
    assert report["tls"]["verdict"] == "trusted" and report["tls"]["version"] == "TLSv1.2"


# The group of 1,024 bits of IKE (RFC 2409, 6.2), as openssl reads it.
SMALL_GROUP = """-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""


def test_a_small_group(world: World) -> None:
    """Diffie-Hellman over 1,024 bits is the least that is taken (and the least that openssl makes): some old servers have nothing better."""
    group = world.home / "dh.pem"
    group.write_text(SMALL_GROUP)
    with s_server(world, "rsa2048", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", "-dhparam", str(group)) as url:
        report = Checker(world).report(url, timeout=3)
    assert report["error"] == "ws_refused" and leaf(report) == "CN=farm rsa2048", "it says HTTP 200, over TLS"
    assert report["tls"]["cipher"].startswith("TLS-DHE-RSA-"), report["tls"]


def test_a_cipher_that_we_did_not_offer(world: World) -> None:
    """RC4 and static Diffie-Hellman: no server that can be had speaks them, so one says that it does."""
    hello = bytes.fromhex("0303") + bytes(range(32)) + b"\0"
    for cipher in (0x0005, 0x0031):
        body = hello + cipher.to_bytes(2, "big") + b"\0"
        shake = b"\x02" + len(body).to_bytes(3, "big") + body
        answer = b"\x16\x03\x03" + len(shake).to_bytes(2, "big") + shake
        with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(2) as pool:
            def serve(listening: socket.socket = server, text: bytes = answer) -> None:
                client, _ = listening.accept()
                with client, contextlib.suppress(ConnectionResetError):
                    client.recv(4096)
                    client.sendall(text)
                    while client.recv(4096):
                        pass
            for _ in range(2):  # one for the WebSocket, one for the document
                pool.submit(serve)
            world.farm.dns({"old.farm-relay.com": {"a": ["127.0.0.1"]}})
            report = Checker(world).report(f"wss://old.farm-relay.com:{server.getsockname()[1]}", timeout=5)
            server.shutdown(socket.SHUT_RDWR)  # whoever still waits for a connection gets an error
            assert error(report) == "tls_protocol", report


def test_a_bad_certificate_is_a_finding(world: World) -> None:
    """The connection is refused, and what the relay showed is known; with tls_verify = record it is read."""
    bad, good = world.farm.add({**DATA, "cert": "expired"}, DATA)
    refused, trusted = Checker(world).reports([bad.wss, good.wss])
    assert refused["openable"] is False and refused["readable"] is None
    tls = refused["tls"]
    assert tls["verdict"] == "tls_cert_expired" and tls["reason"]
    assert tls["chain"][0]["not_after"] == 1580515200 and tls["chain"][0]["issuer"] == "CN=farm ca"
    assert "dns:*.farm-relay.com" in tls["names"] and re.fullmatch("[0-9a-f]{64}", tls["chain"][0]["sha256"])
    assert trusted["tls"]["verdict"] == "trusted" and trusted["tls"]["version"].startswith("TLSv1.") and trusted["tls"]["cipher"]
    recorded = Checker(world, tls_verify="record").report(bad.wss)
    assert recorded["readable"] is True and recorded["error"] is None and recorded["tls"]["verdict"] == "tls_cert_expired"
