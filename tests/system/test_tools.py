"""What `bigbrotr` does without an archive: keys, events, NIP-19; each against an implementation that is not ours."""
from __future__ import annotations

import json
import os
import stat

from conftest import World
from world.servers import node_tool

PUBKEY = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"


def test_keys(world: World) -> None:
    daemon = world.daemon()
    path = daemon.home / "key"
    made = daemon.bigbrotr("--json", "key", "generate", str(path))
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    public = json.loads(made.stdout)
    assert json.loads(daemon.bigbrotr("--json", "key", "show", str(path)).stdout) == public
    assert json.loads(node_tool("tools/nip19.js", "decode", public["npub"])) == {"type": "npub", "data": public["pubkey"]}
    # The other form, there and back; a key is never written over.
    secret = path.read_text()
    hexadecimal = daemon.bigbrotr("key", "convert", str(path)).stdout
    assert secret.startswith("nsec1") and len(hexadecimal.strip()) == 64
    assert daemon.bigbrotr("key", "convert", "-", data=hexadecimal).stdout == secret
    again = daemon.bigbrotr("key", "generate", str(path))
    assert again.returncode == 1 and "never written over" in again.stderr and path.read_text() == secret
    # To standard output the secret alone; it is another one each time.
    first, second = (daemon.bigbrotr("key", "generate").stdout for _ in range(2))
    assert first != second and all(text.startswith("nsec1") and text.count("\n") == 1 for text in (first, second))
    # What others may read is no secret; what is none is said to be none; a secret on the command line is refused.
    os.chmod(path, 0o644)
    loose = daemon.bigbrotr("key", "show", str(path))
    assert loose.returncode == 2 and "chmod 600" in loose.stderr and secret.strip() not in loose.stderr
    wrong = daemon.bigbrotr("key", "show", "-", data="nsec1nonsense\n")
    assert wrong.returncode == 2 and "neither 64 hexadecimal digits" in wrong.stderr
    assert daemon.bigbrotr("decode", secret.strip()).returncode == 2
    assert "no secret key" in daemon.bigbrotr("key", "show").stderr


def test_events(world: World) -> None:
    daemon = world.daemon()
    path = daemon.home / "key"
    pubkey = json.loads(daemon.bigbrotr("--json", "key", "generate", str(path)).stdout)["pubkey"]
    drafts = [{"kind": 1, "content": "hello \U0001f30d \"quoted\" \\ \n \x01"},
              {"kind": 30023, "created_at": 1_700_000_000, "content": "", "tags": [["d", ""], [], ["t", "nostr", "x"]]}]
    signed = daemon.bigbrotr("event", "sign", "--key", str(path), data="\n".join(json.dumps(draft) for draft in drafts) + "\n")
    assert signed.returncode == 0, signed.stderr
    assert json.loads(node_tool("tools/verify-events.js", data=signed.stdout)) == {"good": 2, "bad": 0, "first_bad": ""}
    events = [json.loads(line) for line in signed.stdout.splitlines()]
    assert [event["pubkey"] for event in events] == [pubkey] * 2 and events[1]["tags"] == drafts[1]["tags"]
    ids = daemon.bigbrotr("event", "id", data=signed.stdout).stdout.split()
    assert ids == [event["id"] for event in events]
    # One letter changed is one line on standard error, and the exit status says so; the rest goes on.
    spoilt = signed.stdout.replace("hello", "hullo")
    judged = daemon.bigbrotr("--json", "event", "verify", data=spoilt)
    assert judged.returncode == 3 and json.loads(judged.stdout) == {"good": 1, "bad": 1}
    assert judged.stderr.startswith("line 1: id_mismatch")
    refused = daemon.bigbrotr("event", "sign", "--key", str(path), data='{"kind":70000}\n{"kind":1,"tags":[1]}\nx\n{"kind":7}\n')
    assert refused.returncode == 3 and len(refused.stdout.splitlines()) == 1
    assert [text.split(":")[0] for text in refused.stderr.splitlines()] == ["line 1", "line 2", "line 3"]


def test_entities(world: World) -> None:
    daemon = world.daemon()
    relays = ["wss://relay.example.com/", "ws://127.0.0.1:7777/"]
    cases = {
        "nprofile": ({"pubkey": PUBKEY, "relays": relays}, [PUBKEY]),
        "nevent": ({"id": PUBKEY, "relays": relays, "author": PUBKEY, "kind": 30023}, [PUBKEY, "--author", PUBKEY, "--kind", "30023"]),
        "naddr": ({"pubkey": PUBKEY, "kind": 30023, "identifier": "a b", "relays": relays},
                  [PUBKEY, "--kind", "30023", "--identifier", "a b"]),
    }
    for form, (parts, words) in cases.items():
        options = [word for url in relays for word in ("--relay", url)]
        ours = daemon.bigbrotr("encode", form, *words, *options).stdout.strip()
        assert json.loads(node_tool("tools/nip19.js", "decode", ours)) == {"type": form, "data": parts}
        theirs = node_tool("tools/nip19.js", "encode", form, json.dumps(parts)).strip()
        assert json.loads(daemon.bigbrotr("--json", "decode", theirs).stdout) == {"type": form, **parts}
    for form in ("npub", "note"):
        text = daemon.bigbrotr("encode", form, PUBKEY).stdout.strip()
        assert text == node_tool("tools/nip19.js", "encode", form, json.dumps(PUBKEY)).strip()
        assert PUBKEY in daemon.bigbrotr("decode", f"nostr:{text}").stdout
    for words in (("encode", "npub", "xyz"), ("encode", "naddr", PUBKEY), ("encode", "nsec", PUBKEY), ("decode", "npub1xyz"), ("decode",)):
        bad = daemon.bigbrotr(*words)
        assert bad.returncode == 2 and bad.stderr and not bad.stdout, words
