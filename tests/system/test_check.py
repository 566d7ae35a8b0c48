"""bigbrotr check: every way in which a relay can fail is told apart, documents of every evil kind do no harm, what a relay can do is
measured, and relays that are not ours are understood, over ws, wss and a proxy.  No daemon and no database run here."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import World
from test_onion import onion
from world.daemon import find_program
from world.process import until
from world.servers import free_port

DATA: dict[str, Any] = {"data": [{"mint": {"n": 1200, "seed": 81}}]}
KEY = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"[::-1]
AT_ONCE = 6
HEAD = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
ACCEPT = "Sec-WebSocket-Accept: {accept}\r\n"


class Checker:
    """`bigbrotr check` with a configuration of its own."""

    def __init__(self, world: World, key: bool = True, **network: Any):
        self.program = find_program(world.build, "bigbrotr")
        self.ini = world.home / "check.ini"
        settings = {"allow_addresses": "127.0.0.0/15, ::1", "dns_servers": f"127.0.0.1:{world.farm.ready['dns']}",
                    "tls_ca_file": world.farm.ca, "dns_timeout": "1s", "connect_timeout": "1s", "tls_timeout": "4s",
                    "upgrade_timeout": "1s", "overlay_timeout": "3s", "proxy_tor": "none", **network}
        lines = ["[network]", *(f"{k} = {v}" for k, v in settings.items())]
        if key:
            secret = world.home / "key"
            secret.write_text(KEY)
            secret.chmod(0o600)
            lines += ["[identity]", f"secret_key_file = {secret}"]
        self.ini.write_text("\n".join(lines) + "\n")
        self.env = {k: v for k, v in world.env.items() if not k.startswith("BIGBROTR_")}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(self.program), "-c", str(self.ini), "check", *words], env=self.env, text=True, capture_output=True,
                              timeout=60, check=False)

    def report(self, url: str, timeout: int = 10) -> dict[str, Any]:
        done = self.run("--json", "--timeout", str(timeout), url)
        assert done.returncode in (0, 1) and done.stdout, f"{url}: {done.returncode}\n{done.stdout}{done.stderr}"
        found = json.loads(done.stdout)
        assert done.returncode == (0 if found["readable"] else 1)
        return found

    def reports(self, urls: list[str], timeout: int = 10) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda url: self.report(url, timeout), urls))


def table(world: World, cases: dict[str, tuple[dict[str, Any], Any]], found: Any, tls: bool = False, timeout: int = 10) -> None:
    """Every case is a profile and what is to be found; all that differs is told at once."""
    relays = world.farm.add(*({**DATA, **profile} for profile, _ in cases.values()))
    checker = Checker(world)
    urls = [r.wss if tls else r.url for r in relays]
    reports = checker.reports(urls, timeout)
    for i, (_, want) in enumerate(cases.values()):
        # A machine with too much to do lets a step run out of its second: that one is asked again, alone.
        if any(late in str(found(reports[i])) and late not in str(want) for late in ("timeout", "dns_failed")):
            reports[i] = checker.report(urls[i], timeout)
    wrong = {name: (found(report), want, report["error_text"])
             for (name, (_, want)), report in zip(cases.items(), reports)
             if found(report) != want}
    assert not wrong, "\n".join(f"{name}: found {got}, wanted {want} ({text})" for name, (got, want, text) in wrong.items())


def error(report: dict[str, Any]) -> Any:
    return report["error"]


# --- HTTP

def ok(text: str) -> dict[str, Any]:
    return {"upgrade": {"raw": text, "end": "stall"}}


def test_upgrades(world: World) -> None:
    many = {"text": "X-More: and more of it\r\n", "times": 10000}
    table(world, {
        "missing reason": (ok(HEAD.replace(" Switching Protocols", " ") + ACCEPT + "\r\n"), "idle"),
        "HTTP/1.0": (ok(HEAD.replace("1.1", "1.0") + ACCEPT + "\r\n"), "idle"),
        "bare LF": (ok((HEAD + ACCEPT + "\r\n").replace("\r\n", "\n")), "http_protocol"),
        "a folded header": (ok(HEAD + "X-A: b\r\n c\r\n" + ACCEPT + "\r\n"), "http_protocol"),
        "103 before 101": (ok("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + HEAD + ACCEPT + "\r\n"), "idle"),
        "100 for ever": ({"upgrade": {"raw": "", "repeat": {"text": "HTTP/1.1 100 Continue\r\n\r\n", "times": 500}, "end": "stall"}},
                         "http_protocol"),
        "a line of 64 KiB": (ok(HEAD + "X-A: " + "a" * 65536 + "\r\n" + ACCEPT + "\r\n"), "http_too_large"),
        "10,000 headers": ({"upgrade": {"raw": HEAD, "repeat": many, "tail": ACCEPT + "\r\n", "end": "stall"}}, "http_too_large"),
        "accepted twice": (ok(HEAD + ACCEPT + ACCEPT + "\r\n"), "ws_protocol"),
        "wrong accept": ({"upgrade": "wrong_accept"}, "ws_protocol"),
        "an extension": (ok(HEAD + ACCEPT + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), "ws_protocol"),
        "a subprotocol": (ok(HEAD + ACCEPT + "Sec-WebSocket-Protocol: nostr\r\n\r\n"), "ws_protocol"),
        "a NUL": (ok(HEAD + "X-A: \0\r\n" + ACCEPT + "\r\n"), "http_protocol"),
        "200": ({"upgrade": {"status": "200 OK", "body": "<html>"}}, "ws_refused"),
        "301": ({"upgrade": {"status": "301 Moved Permanently", "headers": {"Location": "https://elsewhere.example.org/"}}}, "ws_refused"),
        "402": ({"upgrade": {"status": "402 Payment Required"}}, "payment_required"),
        "403": ({"upgrade": {"status": "403 Forbidden"}}, "ws_refused"),
        "404": ({"upgrade": {"status": "404 Not Found"}}, "ws_refused"),
        "429": ({"upgrade": {"status": "429 Too Many Requests", "headers": {"Retry-After": "60"}}}, "rate_limited"),
        "503": ({"upgrade": {"status": "503 Service Unavailable"}}, "rate_limited"),
        "reset": ({"upgrade": "reset"}, "disconnected"),
        "not HTTP": (ok("SSH-2.0-OpenSSH_9.2\r\n"), "http_protocol"),
        "silence": ({"upgrade": "silent"}, "timeout"),
        "byte by byte, too slow": ({"upgrade": {"raw": HEAD + ACCEPT + "\r\n", "drip": {"bytes": 1, "ms": 100}, "end": "stall"}}, "timeout"),
        "byte by byte, in time": ({"upgrade": {"raw": HEAD + ACCEPT + "\r\n", "drip": {"bytes": 1, "ms": 1}, "end": "stall"}}, "idle"),
        "frames behind the head": (ok(HEAD + ACCEPT + "\r\n" + "\x82\x01x"), "idle"),
        "a broken frame behind it": (ok(HEAD + ACCEPT + "\r\n" + "\xff\xff"), "ws_protocol"),
        "endless": ({"upgrade": "endless"}, "http_too_large"),
        "reset at once": ({"down": True}, "disconnected"),
    }, error, timeout=3)


def http(raw: str, **more: Any) -> dict[str, Any]:
    return {"http": {"raw": raw, **more}}


def nip11_error(report: dict[str, Any]) -> Any:
    """A document that cannot be had never keeps a relay from being read."""
    assert report["readable"] is True, report
    return report["nip11_error"]


def test_documents_over_bad_http(world: World) -> None:
    good = "HTTP/1.1 200 OK\r\n"
    body = {"body": '{"name":"x"}'}
    table(world, {
        "good": (http(good + "Content-Length: {size}\r\n\r\n{body}", **body), None),
        "until the end": (http(good + "\r\n{body}", **body), None),
        "chunked": (http(good + "Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\n{\"a\":\r\n2\r\n1}\r\n0\r\nX: y\r\n\r\n"), None),
        "a giant chunk": (http(good + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", end="stall"), "http_protocol"),
        "length and chunks": (http(good + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"), "http_protocol"),
        "two lengths": (http(good + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), "http_protocol"),
        "a negative length": (http(good + "Content-Length: -1\r\n\r\n{}"), "http_protocol"),
        "a length beyond all": (http(good + "Content-Length: 99999999999999999999\r\n\r\n{}"), "http_protocol"),
        "cut short": (http(good + "Content-Length: 100\r\n\r\n{}"), "http_protocol"),
        "300 KiB": (http(good + "\r\n{\"a\":\"", repeat={"text": "x" * 1024, "times": 300}, tail="\"}"), "http_too_large"),
        "gzip": (http(good + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"), "http_protocol"),
        "bare LF": (http("HTTP/1.1 200 OK\nContent-Length: 2\n\n{}"), "http_protocol"),
        "a NUL": (http(good + "X: \0\r\nContent-Length: 2\r\n\r\n{}"), "http_protocol"),
        "404": (http("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"), "http_status"),
        "to itself for ever": (http("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"), "http_status"),
        "to a file": (http("HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\n\r\n"), "http_protocol"),
        "to gopher": (http("HTTP/1.1 307 Moved\r\nLocation: gopher://127.1.0.1/\r\n\r\n"), "http_protocol"),
        "to a private address": (http("HTTP/1.1 308 Moved\r\nLocation: http://10.0.0.1/\r\n\r\n"), "address_denied"),
        "to nowhere": (http("HTTP/1.1 302 Found\r\n\r\n"), "http_protocol"),
        "into another network": (http(f"HTTP/1.1 302 Found\r\nLocation: http://{onion(5)}/\r\n\r\n"), "http_status"),
        "silence": (http("", end="stall"), "timeout"),
        "a drip": (http(good + "Content-Length: {size}\r\n\r\n{body}", body="{}" + " " * 100, drip={"bytes": 1, "ms": 100}), "timeout"),
        "reset": (http("HTTP/1.1 200", end="reset"), "disconnected"),
    }, nip11_error, timeout=3)


def test_redirects_within_the_rules(world: World) -> None:
    target, = world.farm.add({**DATA, "nip11": {"name": "elsewhere"}})
    relay, down = world.farm.add(http(f"HTTP/1.1 301 Moved\r\nLocation: {target.url.replace('ws:', 'http:')}/\r\n\r\n"),
                                 http(f"HTTP/1.1 301 Moved\r\nLocation: {target.url.replace('ws:', 'http:')}/\r\n\r\n"))
    checker = Checker(world)
    assert checker.report(relay.url)["nip11"] == {"name": "elsewhere"}
    assert checker.report(down.wss)["nip11_error"] == "http_status", "never from https to http"


def test_documents_of_every_kind(world: World) -> None:
    """Whatever stands in a document: it is kept as far as it is JSON, and the check is whole."""
    def says(body: str) -> dict[str, Any]:
        return http("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}", body=body)
    table(world, {
        "empty": (says(""), "syntax"),
        "HTML": (says("<html><body>hello</body></html>"), "syntax"),
        "an array": (says("[]"), "syntax"),
        "cut": (says('{"name":'), "syntax"),
        "40 deep": (says('{"a":' + "[" * 40 + "]" * 40 + "}"), "syntax"),
        "100,000 deep": (says("[" * 100000), "syntax"),
        "any type": (says('{"name":1,"supported_nips":"all","limitation":[],"pubkey":{}}'), None),
        "NUL": (says('{"name":"a\\u0000b","c\\u0000":1,"d":"\0"}'), None),
        "no UTF-8": (says('{"name":"\xff\xfe\xc0\x80"}'), None),
        "lone surrogates": (says('{"name":"\\ud800"}'), None),
        "numbers": (says('{"a":1e999,"b":18446744073709551615}'), None),
        "two members of a name": (says('{"a":1,"a":2}'), None),
        "200 KiB of members": (says("{" + ",".join(f'"{i}":{i}' for i in range(15000)) + "}"), None),
    }, nip11_error)


# --- names and addresses

@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """A port whose queue is full: connections are neither taken nor refused."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.1.255.1", 0))
        server.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def test_names_and_addresses(world: World) -> None:
    good, = world.farm.add(DATA)
    port = world.farm.ready["ws"]
    names = {"timeout": "dns_failed", "servfail": "dns_failed", "refused": "dns_failed", "garbage": "dns_failed", "nxdomain": "dns_not_found",
             "truncate": None}
    world.farm.dns({f"{fault}.farm-relay.com": {"fault": fault, "a": [good.address]} for fault in names})
    world.farm.dns({"empty.farm-relay.com": {}, "private.farm-relay.com": {"a": ["10.1.2.3"]},
                    "mixed.farm-relay.com": {"a": [good.address, "192.168.1.1"]}, "alias.farm-relay.com": {"cname": good.host}})
    cases: dict[str, Any] = {f"ws://{fault}.farm-relay.com:{port}": want for fault, want in names.items()}
    cases |= {f"ws://empty.farm-relay.com:{port}": "dns_not_found", f"ws://private.farm-relay.com:{port}": "address_denied",
              f"ws://mixed.farm-relay.com:{port}": "address_denied", f"ws://alias.farm-relay.com:{port}": None,
              f"ws://10.9.8.7:{port}": "address_denied", f"ws://127.0.0.1:{free_port()}": "connect_refused"}
    with full_listener() as full:
        cases[f"ws://127.1.255.1:{full}"] = "connect_timeout"
        reports = Checker(world).reports(list(cases))
    found = {url: report["error"] for url, report in zip(cases, reports)}
    assert found == cases
    alias = next(r for url, r in zip(cases, reports) if "alias" in url)
    assert alias["dns"] == {"a": [good.address], "aaaa": [], "cname": [good.host]} and 0 < alias["dns_ttl"] <= 30
    assert alias["us"]["open"] == sum(alias["us"][k] or 0 for k in ("dns", "tcp", "proxy", "tls", "upgrade"))


def test_names_behind_a_name(world: World) -> None:
    """The way of CNAMEs, in its order, and who serves the domain, sorted; without them nothing is said.  Asked for once in a day."""
    good, = world.farm.add(DATA)
    port = world.farm.ready["ws"]
    world.farm.dns({"a.one-relay.com": {"cname": "b.two-relay.com"}, "b.two-relay.com": {"cname": "c.three-relay.com"},
                    "c.three-relay.com": {"a": [good.address]}, "one-relay.com": {"ns": ["NS2.name-host.com", "ns1.name-host.com"]},
                    "silent.four-relay.com": {"a": [good.address]}, "four-relay.com": {"fault": "timeout"}})
    checker = Checker(world)
    long, short, silent = checker.reports([f"ws://{name}:{port}" for name in ("a.one-relay.com", "c.three-relay.com", "silent.four-relay.com")])
    assert long["dns"] == {"a": [good.address], "aaaa": [], "cname": ["b.two-relay.com", "c.three-relay.com"],
                           "ns": ["ns1.name-host.com", "ns2.name-host.com"]} and long["dns_ttl"] > 0, long["dns"]
    assert short["dns"] == silent["dns"] == {"a": [good.address], "aaaa": []}, (short["dns"], silent["dns"])
    assert long["readable"] and silent["readable"]
    shown = checker.run(f"ws://a.one-relay.com:{port}").stdout
    assert "by way of b.two-relay.com c.three-relay.com; domain served by ns1.name-host.com ns2.name-host.com" in shown, shown


def test_the_deadline_says_where_it_stood(world: World) -> None:
    """With steps that would wait for longer, the check's own deadline ends it, and blames who was waited for."""
    relay, = world.farm.add({**DATA, "silent_accept": True})
    world.farm.dns({"timeout.farm-relay.com": {"fault": "timeout"}})
    port = world.farm.ready["ws"]
    patient = Checker(world, dns_timeout="20s", connect_timeout="20s", tls_timeout="20s", upgrade_timeout="20s")
    with full_listener() as full:
        urls = [f"ws://timeout.farm-relay.com:{port}", f"ws://127.1.255.1:{full}", relay.wss, relay.url]
        reports = patient.reports(urls, timeout=1)
    assert [r["error"] for r in reports] == ["dns_failed", "connect_timeout", "timeout", "timeout"]
    assert [r["error_text"] for r in reports][2:] == ["TLS handshake", "WebSocket upgrade"]


# --- reading

def read(report: dict[str, Any]) -> tuple[Any, Any]:
    return report["readable"], report["error"]


def test_refusals_to_read(world: World) -> None:
    def refusing(text: str, via: str = "closed") -> dict[str, Any]:
        return {"refuse": {"every": 1, "via": via, "text": text}}
    table(world, {
        "auth-required": (refusing("auth-required: who are you?"), (False, "auth_required")),
        "restricted": (refusing("restricted: members only"), (False, "blocked")),
        "blocked": (refusing("blocked: go away"), (False, "blocked")),
        "mute": (refusing("mute: no one was listening"), (False, "blocked")),
        "payment": (refusing("restricted: payment required, 1000 sats"), (False, "payment_required")),
        "pay, without a prefix": (refusing("please pay at https://x"), (False, "payment_required")),
        "rate-limited": (refusing("rate-limited: slow down"), (False, "rate_limited")),
        "too many, in prose": (refusing("ERROR: too many concurrent REQs", "notice"), (False, "rate_limited")),
        "invalid": (refusing("invalid: filter"), (False, "unsupported")),
        "unsupported": (refusing("unsupported: filter"), (False, "unsupported")),
        "bad req": (refusing("bad req: unrecognised filter item", "notice"), (False, "unsupported")),
        "error": (refusing("error: could not connect to the database"), (False, "refused")),
        "duplicate": (refusing("duplicate: really?"), (False, "refused")),
        "pow": (refusing("pow: 20 bits"), (False, "blocked")),
        "no text": (refusing(""), (False, "refused")),
        "silence": ({"eose": "never", "data": []}, (False, "idle")),
        "an event, then silence": ({"eose": "never"}, (True, None)),
        "nothing there": ({"data": []}, (True, None)),
        "no kinds that we ask for": ({"hidden_kinds": [1]}, (True, None)),
        "EOSE without a name": ({"eose": "no_sub"}, (True, None)),
        "EOSE with an object": ({"eose": "object"}, (True, None)),
        "closes": ({"cut": {"after": 0, "how": "close"}}, (False, "disconnected")),
        "resets": ({"cut": {"after": 0, "how": "reset"}}, (False, "disconnected")),
        "a message of 2 MiB": ({"huge": {"bytes": 2 << 20}, "data": []}, (False, "message_too_large")),
        "no UTF-8": ({"bad_utf8": True, "data": []}, (False, "ws_protocol")),
        "garbage": ({"garbage": 100, "data": []}, (False, "ws_protocol")),
        "ping flood": ({"ping_flood": 1000, "data": []}, (False, "flood")),
        "garbage of 10 messages": ({"garbage": 10}, (True, None)),
        "more than asked for": ({"ignores_limit": True, "cap": 1000}, (True, None)),
        "slow, but in time": ({"reply_delay_ms": 700}, (True, None)),
    }, read, timeout=3)


def test_authentication(world: World) -> None:
    relay, = world.farm.add({**DATA, "auth": "required"})
    known = Checker(world).report(relay.url)
    assert known["readable"] is True and known["capabilities"]["nip42"] is True and known["capabilities"]["read_restricted"] is True
    assert "auth_asked_not_claimed" not in known["contradictions"]
    stranger = Checker(world, key=False).report(relay.url)
    assert (stranger["readable"], stranger["error"], stranger["writable"]) == (False, "auth_required", None)
    assert stranger["capabilities"]["nip42"] is True and stranger["capabilities"]["nip45"] is None


# --- writing

def test_writing(world: World) -> None:
    def written(report: dict[str, Any]) -> tuple[Any, Any]:
        return report["writable"], report["write_error"]
    cases: dict[str, tuple[dict[str, Any], tuple[Any, Any]]] = {
        "taken": ({"write": {}}, (True, None)),
        "after authentication": ({"write": {"auth": True}, "sends_auth": True}, (True, None)),
        "for a proof of work": ({"write": {"pow": 12}}, (True, None)),
        "for one that is too dear": ({"write": {"pow": 30}}, (False, "blocked")),
        "read only": ({}, (False, "blocked")),
        "restricted": ({"write": {"ok": False, "text": "restricted: not a member"}}, (False, "blocked")),
        "payment": ({"write": {"ok": False, "text": "blocked: pay for admission first"}}, (False, "payment_required")),
        "auth-required": ({"write": {"ok": False, "text": "auth-required: who?"}}, (False, "auth_required")),
        "rate-limited": ({"write": {"ok": False, "text": "rate-limited: slow down"}}, (False, "rate_limited")),
        "invalid": ({"write": {"ok": False, "text": "invalid: kind"}}, (False, "unsupported")),
        "error": ({"write": {"ok": False, "text": "error: disk full"}}, (False, "refused")),
        "silence": ({"write": {"via": "silent"}}, (False, "idle")),
        "hangs up": ({"write": {"via": "drop"}}, (False, "disconnected")),
    }
    table(world, cases, written, timeout=4)
    taken = next(r for r in world.farm.get("/relays") if r["n"] == 1)
    event = world.farm.get(f"/relays/{taken['n']}?path=")["writes"][0]
    assert 20000 <= event["kind"] < 30000 and event["content"] == "" and event["tags"] == []
    mined = world.farm.get("/relays/3?path=")["writes"]
    assert len(mined) == 2 and int(mined[1]["id"], 16) >> (256 - 12) == 0 and mined[1]["tags"][0][0] == "nonce"


# --- capabilities, and what the document says of them

def test_capabilities(world: World) -> None:
    def caps(report: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in report["capabilities"].items() if v not in (None, False)}
    plain = {"nip45": True, "newest_first": True, "until": True, "page_cap": 500}
    table(world, {
        "all": ({"write": {"protects": True}, "nip77": "yes", "search": "works", "eose": "hints", "cap": 300},
                {**plain, "nip42": True, "nip50": True, "nip67": True, "nip70": True, "nip77": True, "page_cap": 300}),
        "plain": ({}, plain),
        "cannot count": ({"counting": "notice"}, {k: v for k, v in plain.items() if k != "nip45"}),
        "will not count": ({"counting": "closed"}, {k: v for k, v in plain.items() if k != "nip45"}),
        "ignores COUNT": ({"counting": "silent", "nip77": "silent"}, {k: v for k, v in plain.items() if k != "nip45"}),
        "refuses to search": ({"search": "closed"}, plain),
        "oldest first": ({"order": "oldest"}, {"nip45": True}),
        "ignores until": ({"ignores_until": True}, {"nip45": True, "newest_first": True}),
        "a page of 77": ({"cap": 77}, {**plain, "page_cap": 77}),
        "no limit below ours": ({"cap": 5000}, {k: v for k, v in plain.items() if k != "page_cap"}),
        "everything is in one page": ({"data": [{"mint": {"n": 100, "seed": 3}}]}, {"nip45": True, "newest_first": True}),
    }, caps)


def test_contradictions(world: World) -> None:
    def document(nips: list[int], **limitation: Any) -> dict[str, Any]:
        return {"nip11": {"name": "x", "supported_nips": nips, "limitation": limitation}}
    true = [1, 11, 45]
    table(world, {
        "honest": ({**document(true, max_limit=500)}, []),
        "claims too much": ({**document([*true, 50, 77], max_limit=500)}, ["nips_claimed_not_found"]),
        "has more": ({**document([1, 11], max_limit=500)}, ["nips_found_not_claimed"]),
        "says nothing": ({"nip11": {"name": "x"}}, ["limit_not_advertised"]),
        "a smaller page": ({**document(true, max_limit=500), "cap": 100}, ["max_limit_not_honoured"]),
        "a larger page": ({**document(true, max_limit=100), "cap": 1000}, ["max_limit_not_honoured"]),
        "does not ask": ({**document(true, max_limit=500, auth_required=True)}, ["auth_claimed_not_asked"]),
        "asks": ({**document([*true, 42], max_limit=500), "auth": "required"}, ["auth_asked_not_claimed"]),
        "takes events unpaid": ({**document(true, max_limit=500, payment_required=True), "write": {}}, ["payment_claimed_not_asked"]),
        "refuses them": ({**document(true, max_limit=500, restricted_writes=False)}, ["writes_claimed_open"]),
        "refuses them, as it said": ({**document(true, max_limit=500, restricted_writes=True)}, []),
    }, lambda report: report["contradictions"])


# --- relays and a proxy that are not ours

@pytest.fixture
def foreign(world: World) -> dict[str, dict[str, str]]:
    """Two relays that are not ours, each plain and behind TLS."""
    events = world.farm.mint(n=300, seed=5)
    core = world.node("third-party-relay/serve.js", str(events), "--cap", "100")
    peer = world.node("third-party-relay/peer.js", str(events), "--port", str(free_port()))
    certificates = str(world.farm.ca.parent)
    urls = {}
    for name, host, port in (("core", "127.9.0.1", core.ready["port"]), ("peer", "127.0.0.1", peer.ready["port"])):
        front = world.node("tools/tls-front.js", certificates, host, str(port))
        urls[name] = {"ws": f"ws://{host}:{port}", "wss": f"wss://r9.farm-relay.com:{front.ready['port']}"}
    return urls


def test_relays_that_are_not_ours(world: World, foreign: dict[str, dict[str, str]]) -> None:
    checker = Checker(world, allow_addresses="127.0.0.0/8")
    for scheme in ("ws", "wss"):
        core, peer = checker.reports([foreign["core"][scheme], foreign["peer"][scheme]])
        for report in (core, peer):
            assert report["openable"] is report["readable"] is report["writable"] is True, report
            assert report["us"]["read"] > 0 and report["us"]["write"] > 0 and report["us"]["open"] > 0
            assert (report["tls"] or {}).get("verdict") == ("trusted" if scheme == "wss" else None)
        assert core["nip11_error"] == "http_status" and peer["nip11"]["name"] == "Peer Relay"
        assert core["capabilities"] == {"nip42": False, "nip45": False, "nip50": False, "nip67": None, "nip70": False, "nip77": False,
                                        "until": True, "newest_first": True, "read_restricted": False, "page_cap": 100}
        assert peer["capabilities"]["newest_first"] is False and peer["capabilities"]["page_cap"] is None


def test_an_onion_relay_through_a_foreign_proxy(world: World, foreign: dict[str, dict[str, str]]) -> None:
    name, port = onion(7), foreign["peer"]["ws"].rsplit(":", 1)[1]
    proxy = world.node("tools/socks5.js", "--map", f"{name}=127.0.0.1")
    report = Checker(world, proxy_tor=f"127.0.0.1:{proxy.ready['port']}").report(f"ws://{name}:{port}")
    assert report["readable"] is report["writable"] is True and report["network"] == "tor"
    assert report["us"]["proxy"] > 0 and report["us"]["dns"] is None and report["address"] is None
    assert report["nip11"]["name"] == "Peer Relay", "the document comes through the proxy too"
    assert not [q for q in world.farm.questions() if "onion" in q["name"]]


def test_without_a_proxy(world: World) -> None:
    reports = [Checker(world, proxy_tor=setting).report(f"ws://{onion(8)}", timeout=5) for setting in ("none", f"127.0.0.1:{free_port()}")]
    assert [r["error"] for r in reports] == ["proxy_none", "proxy_down"]


# --- check --proxy

def test_check_proxy(world: World) -> None:
    done = Checker(world, proxy_tor=f"127.0.0.1:{free_port()}").run("--proxy", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["verdict"] == "no_proxy", done.stdout + done.stderr
    proxy = world.node("tools/socks5.js")
    done = Checker(world, proxy_tor=f"127.0.0.1:{proxy.ready['port']}").run("--proxy", "--json")
    found = json.loads(done.stdout)
    assert found["verdict"] in ("ok", "no_circuits") and "connected" not in (found["impossible_address"], found["unknown_address"])


@pytest.mark.skipif(shutil.which("tor", path=os.environ.get("PATH", "") + ":/usr/sbin") is None, reason="tor is not installed")
def test_check_proxy_with_tor_that_has_no_network(world: World) -> None:
    """The real thing, cut off: it knows at once what cannot be an onion address, and finds no way for one that could be."""
    port = free_port()
    home = world.home / "tor"
    home.mkdir(mode=0o700)
    torrc = home / "torrc"
    torrc.write_text(f"SocksPort 127.0.0.1:{port} ExtendedErrors\nDataDirectory {home}\nHTTPSProxy 127.0.0.1:{free_port()}\nLog notice stdout\n")
    log = (world.home / "tor.log").open("wb")
    tor = subprocess.Popen([shutil.which("tor", path=os.environ.get("PATH", "") + ":/usr/sbin") or "tor", "-f", str(torrc)], env=world.env,
                           stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 20, "tor listens")
        done = Checker(world, proxy_tor=f"127.0.0.1:{port}").run("--proxy", "--json")
        found = json.loads(done.stdout)
        assert done.returncode == 1 and found["verdict"] == "no_circuits", done.stdout
        assert found["impossible_address"] == "onion_bad_address", found
    finally:
        tor.terminate()
        tor.wait(20)


# --- for people

def test_for_people(world: World) -> None:
    good, bad = world.farm.add({**DATA, "write": {}, "nip11": {"name": "evil \x1b[31m", "supported_nips": [1, 77]}}, {**DATA, "cert": "expired"})
    checker = Checker(world)
    done = checker.run(good.wss)
    assert done.returncode == 0 and done.stderr == ""
    for text in (good.wss, "open         yes", "read         yes", "write        yes", "trusted", "counts (45)", "claims NIPs that it does not"):
        assert text in done.stdout, done.stdout
    assert "\x1b" not in done.stdout
    done = checker.run(bad.wss)
    assert done.returncode == 1 and "tls_cert_expired" in done.stdout and "the relay's side" in done.stdout
    assert [checker.run(*words).returncode for words in ((), ("a", "b"), ("--what",), ("http://x",), ("--timeout", "0", good.url))] == [2] * 5


# --- places

def maxmind(value: Any) -> bytes:
    """A value in MaxMind's format."""
    def control(kind: int, size: int) -> bytes:
        long = bytes([size - 29]) if size >= 29 else b""
        head = min(size, 29)
        return (bytes([kind << 5 | head]) if kind <= 7 else bytes([head, kind - 7])) + long
    if isinstance(value, str):
        return control(2, len(value.encode())) + value.encode()
    if isinstance(value, float):
        return control(3, 8) + struct.pack(">d", value)
    if isinstance(value, dict):
        return control(7, len(value)) + b"".join(maxmind(k) + maxmind(v) for k, v in value.items())
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(map(maxmind, value))
    number, kind = value  # (7, 6): an unsigned integer of that type
    text = number.to_bytes(8, "big").lstrip(b"\0")
    return control(kind, len(text)) + text


def place_of_loopback(path: Path, value: dict[str, Any]) -> Path:
    """A database that knows 127.0.0.0/8 only: a tree of eight nodes, each with one way on."""
    nodes, tree = 8, b""
    for i, bit in enumerate(f"{127:08b}"):
        on = i + 1 if i + 1 < nodes else nodes + 16
        pair = (nodes, on) if bit == "1" else (on, nodes)
        tree += b"".join(n.to_bytes(3, "big") for n in pair)
    about = {"binary_format_major_version": (2, 5), "binary_format_minor_version": (0, 5), "build_epoch": (1700000000, 9),
             "database_type": "test", "description": {"en": "loopback"}, "ip_version": (4, 5), "languages": ["en"],
             "node_count": (nodes, 6), "record_size": (24, 5)}
    path.write_bytes(tree + bytes(16) + maxmind(value) + b"\xab\xcd\xefMaxMind.com" + maxmind(about))
    return path


def test_places(world: World) -> None:
    """Where an address is, by databases that a person names; without them nothing is said."""
    relay, = world.farm.add(DATA)
    checker = Checker(world)
    assert checker.report(relay.url)["geo"] is None
    city = place_of_loopback(world.home / "city.mmdb", {"country": {"iso_code": "DK"}, "city": {"names": {"en": "Skagen \x1b[1m"}},
                                                        "location": {"latitude": 57.64911, "longitude": 10.40744}})
    network = place_of_loopback(world.home / "asn.mmdb", {"autonomous_system_number": (64500, 6), "autonomous_system_organization": "Example"})
    ini = checker.ini.read_text()
    checker.ini.write_text(ini + f"[monitor]\ngeo_city_file = {city}\ngeo_asn_file = {network}\n")
    done = checker.run("--json", relay.url)
    if "without libmaxminddb" in done.stderr:
        pytest.skip("built without libmaxminddb")
    assert done.stdout, done.stderr
    assert json.loads(done.stdout)["geo"] == {"country": "DK", "city": "Skagen \\x1b[1m", "geohash": "u4pruydqq", "asn": 64500, "as_name": "Example"}
    broken = world.home / "broken.mmdb"
    broken.write_bytes(b"not a database")
    checker.ini.write_text(ini + f"[monitor]\ngeo_city_file = {broken}\n")
    assert checker.run(relay.url).returncode == 2
