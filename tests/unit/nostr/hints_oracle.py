"""A second, naive reading of PROTOCOL 1.9 in another language, against nostr/hints:
`hints_oracle.py hints_told events-real.jsonl [CASES [SEED]]`.

Reads the same real events, and cases made from them by a fixed seed (relays put into other places,
spelled in other ways, cut and mixed with text), and prints every difference in (event, relay,
source).  Regular expressions, urllib and ipaddress instead of anything of ours.
"""
import ipaddress
import json
import random
import re
import subprocess
import sys
import tempfile
import unicodedata
from hashlib import sha3_256
from base64 import b32decode
from urllib.parse import unquote_to_bytes

HINTS_MAX, TEXT_MAX, URL_MAX = 128, 64 * 1024, 1024
WEIGHT = {"relay_list": 10, "dm_relays": 10, "monitor": 10, "relay_set": 8, "contacts": 6, "recommended": 5,
          "group": 5, "relays_tag": 4, "vanish": 3, "blocked": 1, "pointer": 2, "tag": 2, "entity": 2,
          "connect": 3, "text": 1}
PRIVATE = {4, 13, 14, 15, 444, 445, 1059, 1060, 7374, 7375, 7376, 10013, 17375, 21059, 23194, 23195, 23196, 23197,
           24133, 24134, 31234, 37375}
LISTS = [range(10000, 11000), range(30000, 30008), [30015, 30030, 30063, 30078, 30267], range(39089, 39093)]
DENIED_PORTS = {1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
                109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
                526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
                2375, 2379, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669,
                6679, 6697, 8500, 9050, 9051, 10080, 10250, 11211, 27017}
SELECTING = {"relay", "relays", "url", "target", "upstream", "feed", "filter", "group", "room", "channel", "community",
             "npub", "pubkey", "tenant"}
LOCAL = {"localhost", "local", "internal", "lan", "test", "invalid", "example", "arpa"}
CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

# ---- a relay's URL ----


def percent(text):
    """%xx in the one spelling of RFC 3986; None when one is broken or a control."""
    out = []
    for piece in re.split(rb"(%[0-9a-fA-F]{2}|%)", text.encode()):
        if piece == b"%":
            return None
        if piece.startswith(b"%"):
            byte = int(piece[1:], 16)
            if byte < 0x20 or byte == 0x7F:
                return None
            piece = bytes([byte])
            out.append(piece.decode() if re.fullmatch(rb"[A-Za-z0-9._~-]", piece) else "%%%02X" % byte)
        else:
            out.append("".join(chr(b) if b < 0x80 else "%%%02X" % b for b in piece))
    return "".join(out)


def path_of(text):
    path, _, query = text.partition("?")
    segments = []
    for segment in path.split("/"):
        segment = percent(segment)
        if segment is None:
            return None
        if segment == "..":
            segments = segments[:-1]
        elif segment not in ("", "."):
            segments.append(segment)
    kept = [percent(p) for p in query.split("&") if p.partition("=")[0].lower() in SELECTING]
    if None in kept:
        return None
    path = "".join("/" + s for s in segments)
    return path + (("" if path else "/") + "?" + "&".join(kept) if kept else "")


def is_onion(host):
    name = host.split(".")[-2]
    if not re.fullmatch(r"[a-z2-7]{56}", name):
        return False
    raw = b32decode(name.upper())
    return raw[34] == 3 and sha3_256(b".onion checksum" + raw[:32] + b"\3").digest()[:2] == raw[32:34]


def host_of(text):
    """(host, network) or None."""
    if text.startswith("["):
        try:
            address = ipaddress.IPv6Address(text[1:-1])
        except ValueError:
            return None
        return ("[%s]" % address, "clearnet") if address.is_global and text.endswith("]") else None
    if re.search(r"%(?![0-9a-fA-F]{2})|%00", text):
        return None
    try:
        text = unquote_to_bytes(text).decode().lower()
        if any(unicodedata.category(c)[0] in "SCM" for c in text if not c.isascii()):
            return None  # IDNA 2008
        if not text.isascii() or "xn--" in text:
            text = text.encode("idna").decode()
            text.encode().decode("idna")
    except UnicodeError:
        return None
    text = text[:-1] if text.endswith(".") else text
    labels = text.split(".")
    if len(text) > 253 or len(labels) < 2:
        return None
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        try:
            address = ipaddress.IPv4Address(text)
        except ValueError:
            return None
        return (text, "clearnet") if address.is_global and not address.is_multicast else None
    if not all(re.fullmatch(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", label) for label in labels):
        return None
    if labels[-1] == "onion":
        return (text, "tor") if is_onion(text) else None
    if labels[-1] == "i2p":
        b32 = labels[-2] == "b32"
        good = not b32 or (len(labels) > 2 and re.fullmatch(r"[a-z2-7]{51}[aq]|[a-z2-7]{56,}", labels[-3]))
        return (text, "i2p") if good else None
    if labels[-1] == "loki":
        return (text, "loki") if re.fullmatch(r"[ybndrfg8ejkmcpqxot1uwisza345h769]{51}[yo]", labels[-2]) else None
    return None if labels[-1] in LOCAL else (text, "clearnet")


def normal(text):
    """(normal form, network), or None when it is no relay."""
    text = text.strip("\t\n\v\f\r ")
    m = re.fullmatch(r"(wss?)://([^/?#]*)([^#]*)(?:#.*)?", text, re.I | re.S)
    if not m or len(text.encode()) > 2048 or re.search("[\0- \x7f\"<>\\\\^`{|}]", text) or "@" in m[2]:
        return None
    tls = m[1].lower() == "wss"
    h = re.fullmatch(r"(\[.*\]|[^:\]]*|[^\]]*?)(?::([0-9]{0,5}))?", m[2], re.S)
    if not h or (":" in h[1] and not h[1].startswith("[")):
        return None
    default = 443 if tls else 80
    port = int(h[2]) if h[2] else default
    host = host_of(h[1])
    path = path_of(m[3])
    if host is None or path is None or not 0 < port < 65536:
        return None
    if host[1] == "clearnet" and port in DENIED_PORTS:
        return None
    url = ("wss" if tls else "ws") + "://" + host[0] + ("" if port == default else ":%d" % port) + path
    return (url, host[1]) if len(url) <= URL_MAX else None


# ---- text ----


def unescaped(text):
    return re.sub(r"\\{1,7}/", "/", text)


def bech32(text):
    prefix, _, data = text.rpartition("1")
    values = [CHARSET.index(c) for c in data]
    sum_ = 1
    for v in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values:
        top = sum_ >> 25
        sum_ = (sum_ & 0x1FFFFFF) << 5 ^ v
        for i, g in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            sum_ ^= g if top >> i & 1 else 0
    if sum_ != 1 or len(text) > 5000 or len(values) < 6:
        return None
    bits = "".join(format(v, "05b") for v in values[:-6])
    whole = len(bits) // 8 * 8
    if len(bits) - whole > 4 or "1" in bits[whole:]:
        return None
    return bytes(int(bits[i:i + 8], 2) for i in range(0, whole, 8))


def entity_relays(text):
    data = bech32(text)
    at = 0
    while data and at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
        value = data[at + 2:at + 2 + data[at + 1]]
        if data[at] == 1 or (data[at] == 0 and text.startswith("nrelay")):
            yield value.decode("utf-8", "replace")
        at += 2 + len(value)


MARK = re.compile(
    r"(?P<entity>(?:nprofile|nevent|naddr|nrelay)1[" + CHARSET + r"]*)"
    r"|(?P<connect>(?:bunker|nostrconnect|walletconnect)://)(?P<rest>[^\0- \x7f-\U0010ffff\"<>\\^`']*)"
    r"|(?:(?<![A-Za-z0-9])|(?<=\\[ntrbf]))(?P<scheme>wss?://)(?P<host>[A-Za-z0-9._:%@\[\]-]*)", re.I | re.A)
PATH = re.compile(r"[/?#][^\0- \x7f-\U0010ffff\"<>\\^`{|}',;()\[\]]*")
SYMBOL = re.compile("[\u00a0\u00ab\u00bb\u2000-\u2025\u2027-\u2bff\u3000-\u303f\ufe00-\ufe0f\uff00-\uffef"
                    "\U0001f000-\U0001ffff]")


def in_text(text, source):
    text = unescaped(text)
    at = 0
    while m := MARK.search(text, at):
        at = m.end()
        if m["entity"]:
            if not m["entity"].islower() or not bech32(m["entity"]):
                at = m.start() + m["entity"].index("1") + 1
            else:
                yield from ((url, "entity") for url in entity_relays(m["entity"]))
        elif m["connect"]:
            for parameter in m["rest"].partition("?")[2].split("&"):
                if parameter.startswith("relay=") and not re.search(r"%(?![0-9a-fA-F]{2})", parameter):
                    yield unquote_to_bytes(parameter[6:]).decode("utf-8", "replace"), "connect"
        else:
            begin, host, behind = m.end("scheme"), m["host"], text[m.end():]
            at = begin
            joined = re.search(r"wss?:$", host) if behind.startswith("//") else None
            if not behind.isascii() and ord(behind[0]) > 0x7F and not SYMBOL.match(behind):
                continue
            url = m["scheme"] + (host[:joined.start()] if joined else host)
            end = m.end() if not joined else begin
            path = PATH.match(behind) if not joined else None
            if path:
                url, end = url + path[0], m.end() + path.end()
            if url.endswith("..") or text[end:end + 1] == "\u2026":
                continue
            url = url.rstrip(".,:;!?*_~")
            if normal(url):
                yield url, source
                at = max(end, begin)


# ---- an event ----


def tag_source(kind, name, i):
    if name in ("relay", "relays"):
        if kind in (10050, 10051):
            return "dm_relays"
        if kind == 10006:
            return "blocked"
        if 10007 <= kind <= 10102 or kind == 30002:
            return "relay_set"
        return "vanish" if kind == 62 else "relays_tag"
    if name == "group" or 39000 <= kind <= 39009:
        return "group"
    special = {(10002, "r"): "relay_list", (10009, "r"): "group", (30166, "d"): "monitor"}
    if i == 1 and (kind, name) in special:
        return special[kind, name]
    return "pointer" if i == 2 and name in list("epaqEPAQ") else "tag"


def mentions(event):
    kind = event["kind"]
    if kind in PRIVATE:
        return
    for tag in event["tags"]:
        for i, element in enumerate(tag[1:], 1):
            source = tag_source(kind, tag[0], i)
            if len(element.encode()) < 8:
                continue
            if element.count("://") == 1 and normal(element):
                yield element, source
            else:
                yield from in_text(element, "text" if source in ("tag", "pointer") else source)
    if not any(kind in some for some in LISTS):
        content = event["content"].encode()[:TEXT_MAX].decode("utf-8", "ignore")
        yield from in_text(content, {2: "recommended", 3: "contacts", 40: "relays_tag", 41: "relays_tag"}.get(kind, "text"))


def relays(event):
    """{url: (network, source)}"""
    found = {}
    for text, source in mentions(event):
        relay = normal(text)
        if relay and (relay[0] not in found or WEIGHT[source] > WEIGHT[found[relay[0]][1]]):
            found[relay[0]] = (relay[1], source)
    return found


# ---- cases ----


def bech32_encode(prefix, data):
    bits = "".join(format(b, "08b") for b in data)
    bits += "0" * (-len(bits) % 5)
    body = "".join(CHARSET[int(bits[i:i + 5], 2)] for i in range(0, len(bits), 5))
    for_sum = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [CHARSET.index(c) for c in body]
    sum_ = 1
    for v in for_sum + [0] * 6:
        top = sum_ >> 25
        sum_ = (sum_ & 0x1FFFFFF) << 5 ^ v
        for i, g in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            sum_ ^= g if top >> i & 1 else 0
    sum_ ^= 1
    return prefix + "1" + body + "".join(CHARSET[sum_ >> 5 * (5 - i) & 31] for i in range(6))


def entity(r, url):
    prefix = r.choice(["nprofile", "nevent", "naddr", "nrelay"])
    tlv = b"\1" + bytes([len(url.encode())]) + url.encode()
    head = b"\0" + bytes([len(url.encode())]) + url.encode() if prefix == "nrelay" else b"\0\x20" + r.randbytes(32)
    text = bech32_encode(prefix, r.choice([head + tlv, tlv + head, head + b"\x09\2xx" + tlv + tlv[:r.randrange(9)]]))
    return text if r.random() < 0.9 else text[:-1] + r.choice(CHARSET)


def respelled(r, url):
    quoted = "".join(c if c.isalnum() else "%%%02x" % ord(c) for c in url)
    return r.choice([
        url, url, url.upper(), url + "/", url + ":443", url + "/a/../b/", url + "?x=1&room=2", url + "#top", " " + url + "\n",
        url.replace("/", "\\/"), url.replace("/", "\\\\\\/"), url + "...", url + "\u2026", url + "\u3002", url + "\u306f",
        url + url, url + "," + url, "(" + url + ")", "[x](" + url + ")", "**" + url + "**", "_" + url + "_", url + "/p'q",
        "news" + url[3:], "\\n" + url, "x" + url, "user@" + url, url.replace("://", "://me:pw@"), url + ":65536", url + ":22",
        "bunker://00?relay=" + quoted + "&secret=1", "nostrconnect://00?metadata=%7b%7d&relay=" + url + "&relay=" + quoted,
        "nostr+walletconnect://00?secret=a&relay=" + quoted, "wss://10.0.0.1", "wss://relay", "ws://" + url[6:], url + "%2fq",
        json.dumps({"tags": [["relays", url, url + "/x"]]}), json.dumps({url: {"read": True}}), url + "=&\"", url[:-1],
        "nostr:" + entity(r, url), "https://njump.me/" + entity(r, url) + ".", entity(r, url), url + "\U0001f600", url + "é",
        "wss://b\u00fccher." + url[6:], url + "/\u00fc", url + "]", "wss://[2606:4700::1111]:8080", url + "|x", url + ";" + url])


def made(r, events, urls):
    event = dict(r.choice(events))
    event["kind"] = r.choice([0, 1, 1, 2, 3, 4, 6, 40, 62, 1059, 9735, 10002, 10006, 10007, 10009, 10013, 10050, 30002,
                              30023, 30166, 39000, event["kind"]])
    tags = []
    for _ in range(r.randrange(4)):
        name = r.choice(["r", "relay", "relays", "e", "p", "a", "q", "E", "d", "group", "client", "i", "alt", "x"])
        tags.append([name] + [r.choice(["", "a" * 64, respelled(r, r.choice(urls))]) for _ in range(r.randrange(4))])
    event["tags"] = tags
    words = [r.choice(["see", "nostr:", "1:1", "://", "wss://", "nevent1", "\n", "\U0001f600", "\u306f",
                       respelled(r, r.choice(urls))]) for _ in range(r.randrange(6))]
    event["content"] = r.choice([" ", "", ",", "\n"]).join(words)
    return event


def main():
    told, path = sys.argv[1:3]
    cases = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    r = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    with open(path, encoding="utf-8") as f:
        events = [json.loads(line) for line in f]
    real = len(events)
    urls = sorted({url for e in events[:3000] for url in relays(e)})
    small = [e for e in events if len(json.dumps(e)) < 2000]
    events += [made(r, small, urls) for _ in range(cases)]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".jsonl") as f:
        f.write("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in events))
        f.flush()
        lines = subprocess.run([told, f.name], check=True, capture_output=True).stdout.decode().splitlines()
    if len(lines) != len(events):
        sys.exit("%d answers to %d events" % (len(lines), len(events)))
    pairs, distinct, with_any, cut, wrong, by_source = 0, set(), 0, 0, 0, {}
    for number, (event, line) in enumerate(zip(events, lines)):
        words = line.split(" ")
        got = dict(zip(words[2::3], zip(words[3::3], words[4::3])))
        want = relays(event)
        same = got == want
        if words[1] == "cut":
            cut += 1
            same = len(got) <= HINTS_MAX and got.keys() <= want.keys() and (len(got) == HINTS_MAX or number >= real or
                                                                             len(event["content"]) >= TEXT_MAX)
        if number < real:
            pairs += len(got)
            distinct |= got.keys()
            with_any += bool(got)
            for _, source in got.values():
                by_source[source] = by_source.get(source, 0) + 1
        if not same:
            wrong += 1
            if wrong <= 20:
                print("event %d kind %d %s" % (number, event["kind"], event["id"]))
                print("  only ours:  ", sorted((k, v) for k, v in got.items() if want.get(k) != v)[:5])
                print("  only oracle:", sorted((k, v) for k, v in want.items() if got.get(k) != v)[:5])
                if number >= real:
                    print("  ", ascii(event["tags"]), ascii(event["content"]))
    print("%d events, %d with a relay, %d (event, relay), %d relays, %d cut; %d made; %d differ" %
          (real, with_any, pairs, len(distinct), cut, len(events) - real, wrong))
    print(" ".join("%s=%d" % x for x in sorted(by_source.items(), key=lambda x: -x[1])))
    sys.exit(wrong > 0 or pairs == 0)


if __name__ == "__main__":
    main()
