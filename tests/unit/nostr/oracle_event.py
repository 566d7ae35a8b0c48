"""A second implementation of NIP-01's event, in another language and on another JSON parser, against
the scanner: `oracle_event.py event_verdicts events-real.jsonl [CASES [SEED]]`.

Makes cases from real events by fixed seeds (re-spelled, mutated, cut, given new contents with the
right id in each spelling of the canonical form), asks both, and prints every difference.
"""
import hashlib
import json
import random
import subprocess
import sys
from decimal import Decimal, InvalidOperation

FIELDS = ("id", "pubkey", "created_at", "kind", "tags", "content", "sig")
SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
DEPTH_MAX = 8


class Number(str):
    """A number as it was written."""


class Refused(Exception):
    pass


def quote(text, variant):
    out = []
    for c in text:
        if c in SHORT:
            out.append(SHORT[c])
        elif (c < " " and variant != "nip") or (c == "\x7f" and variant == "tao"):
            out.append("\\u%04x" % ord(c))
        else:
            out.append(c)
    return '"' + "".join(out) + '"'


def tags_text(tags, variant):
    return "[" + ",".join("[" + ",".join(quote(x, variant) for x in t) + "]" for t in tags) + "]"


def canonical(event, variant):
    return '[0,"%s",%d,%d,%s,%s]' % (event["pubkey"], event["created_at"], event["kind"],
                                     tags_text(event["tags"], variant), quote(event["content"], variant))


def event_id(event, variant):
    return hashlib.sha256(canonical(event, variant).encode()).hexdigest()


def depth_of(text):
    depth = deepest = 0
    inside = escaped = False
    for c in text:
        if inside:
            if escaped:
                escaped = False
            elif c == "\\":
                escaped = True
            elif c == '"':
                inside = False
        elif c == '"':
            inside = True
        elif c in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in "]}":
            depth -= 1
    return deepest


def integer(value, most):
    if not isinstance(value, Number) or value.startswith("-"):
        raise Refused("number")
    try:
        exact = Decimal(value)
    except InvalidOperation:
        raise Refused("number") from None
    if exact == 0:
        return 0
    if exact.adjusted() > 16 or exact.as_tuple().exponent < -5000 or exact != exact.to_integral_value():
        raise Refused("number")
    if exact > most:
        raise Refused("number")
    return int(exact)


def digits(value, n):
    if not isinstance(value, str) or isinstance(value, Number) or len(value) != n:
        raise Refused("hex")
    if any(c not in "0123456789abcdef" for c in value):
        raise Refused("hex")
    return value


def no_constants(name):
    raise Refused(name)


def text_of(value):
    if not isinstance(value, str) or isinstance(value, Number):
        raise Refused("string")
    return value


def members(pairs):
    seen = {}
    for key, value in pairs:
        if key in seen and key in FIELDS:
            seen["\0duplicate"] = True  # matters at the top only
        seen[key] = value
    return seen


def surrogates(value):
    """A lone surrogate anywhere, keys included."""
    if isinstance(value, str):
        return any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, dict):
        return any(surrogates(k) or surrogates(v) for k, v in value.items())
    return isinstance(value, list) and any(surrogates(v) for v in value)


def read(raw):
    try:
        text = raw.decode("utf-8", "strict")
        value = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=no_constants,
                           object_pairs_hook=members)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Refused("syntax") from None
    if not isinstance(value, dict) or depth_of(text) > DEPTH_MAX or "\0duplicate" in value or surrogates(value):
        raise Refused("structure")
    if any(name not in value for name in FIELDS):
        raise Refused("missing")
    if not isinstance(value["tags"], list) or any(not isinstance(t, list) for t in value["tags"]):
        raise Refused("tags")
    return {
        "id": digits(value["id"], 64),
        "pubkey": digits(value["pubkey"], 64),
        "sig": digits(value["sig"], 128),
        "created_at": integer(value["created_at"], 2**53 - 1),
        "kind": integer(value["kind"], 65535),
        "tags": [[text_of(x) for x in t] for t in value["tags"]],
        "content": text_of(value["content"]),
    }


def readable(text):
    return text.replace("\0", "\ufffd")


def tag_hashes(tags):
    hashes = {int.from_bytes(hashlib.sha256((readable(t[0]) + "\0" + readable(t[1])).encode()).digest()[:8],
                             "big", signed=True)
              for t in tags if len(t) > 1 and t[1]}
    return sorted(hashes)


def verdict(raw):
    try:
        event = read(raw)
    except Refused:
        return "invalid"
    for variant in ("js", "nip", "tao"):
        if event_id(event, variant) != event["id"]:
            continue
        lossy = "\0" in event["content"] or any("\0" in x for t in event["tags"] for x in t)
        kept = canonical(event, variant) if lossy or variant != "js" else ""
        plain = [[readable(x) for x in t] for t in event["tags"]]
        sums = [hashlib.sha256(x.encode()).hexdigest()
                for x in (readable(event["content"]), tags_text(plain, "js"), kept)]
        return " ".join(["accept", variant, str(int(lossy)), str(event["created_at"]), str(event["kind"])] +
                        sums + [str(h) for h in tag_hashes(event["tags"])])
    return "id_mismatch"


# Cases

NUMBERS = ["0", "-0", "-0.0", "1.0", "1e3", "1.7e9", "17000000000e-1", "1.5", "9007199254740991",
           "9007199254740992", "9007199254740991.0", "01", "1.", ".5", "-1", "1e-1", "1e400", "0e400",
           "65535", "65536", "6.5535e4", "100000e-5", "true", "null", '"1"', "NaN", "1E+2", "[1]"]
PIECES = [b"\\u0000", b"\\u001f", b"\\u001F", b"\\u007f", b"\x7f", b"\\/", b"\\u00e9", b"\xc3\xa9", b"\\ud83d\\ude00",
          b"\\ud83d", b"\\ude00", b"\xed\xa0\x80", b"\xff", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xef\xbf\xbf", b"\\x",
          b"\\u12", b"\n", b"\x00", b"\t", b"\\b", b"\\u0008", b"\\u000b", b"\\", b'"', b",", b"[", b"]", b"{", b"}",
          b":", b" ", b"\xe2\x80\xa8", b"[]", b"{}", b'"x":1,', b'"kind":1,', b'"\\u006bind":1,', b"-", b"e", b"."]
CHARACTERS = ["\0", "\x01", "\x08", "\x0b", "\x1f", "\x7f", '"', "\\", "/", "\n", "\u00e9", "\u2028", "\ufffd", "\uffff",
              "\U0001f600", "\U0010ffff", "a", " ", "<", "&", "plain text that is longer than one wide step"]


def spelled(rng, text):
    """A JSON string in a random choice of escapes."""
    out = ['"']
    for c in text:
        roll = rng.random()
        if c in SHORT and roll < 0.6:
            out.append(SHORT[c])
        elif c == "/" and roll < 0.3:
            out.append("\\/")
        elif c < " " or c in '"\\' or roll < 0.1:
            units = c.encode("utf-16-be")
            for i in range(0, len(units), 2):
                form = "\\u%04x" if rng.random() < 0.5 else "\\u%04X"
                out.append(form % int.from_bytes(units[i:i + 2], "big"))
        else:
            out.append(c)
    return "".join(out) + '"'


def space(rng):
    return rng.choice(["", "", "", "", " ", "\n", "\t", " \r\n "])


def written(rng, event):
    """The same event as other programs might write it."""
    def gap(text):
        return space(rng) + text + space(rng)

    values = {k: spelled(rng, event[k]) for k in ("id", "pubkey", "sig", "content")}
    values["created_at"] = str(event["created_at"])
    values["kind"] = str(event["kind"])
    if rng.random() < 0.2:
        values["created_at"] = rng.choice(["%d.0", "%de0", "%d.00e+0", "%d0e-1"]) % event["created_at"]
    values["tags"] = "[" + ",".join(gap("[" + ",".join(gap(spelled(rng, x)) for x in t) + "]") for t in event["tags"]) + "]"
    parts = ["%s:%s" % (gap(spelled(rng, k)), gap(v)) for k, v in values.items()]
    if rng.random() < 0.3:
        parts.append(gap('"extra"') + ":" + rng.choice(['{"a":[1,-0.5e-7,null,true]}', "[[[[[[[]]]]]]]", '"\\u0000"', "1e999"]))
    rng.shuffle(parts)
    return (space(rng) + "{" + ",".join(parts) + "}" + space(rng)).encode("utf-8")


def resigned(rng, event):
    """Other contents, with the right id in one of the spellings (nobody looks at the signature here)."""
    event = dict(event)
    if rng.random() < 0.7:
        event["content"] = "".join(rng.choice(CHARACTERS) for _ in range(rng.randrange(12)))
    if rng.random() < 0.7:
        event["tags"] = [["".join(rng.choice(CHARACTERS) for _ in range(rng.randrange(4)))
                          for _ in range(rng.randrange(4))] for _ in range(rng.randrange(4))]
    event["created_at"] = rng.choice([event["created_at"], 0, 2**53 - 1, 2**32])
    event["id"] = event_id(event, rng.choice(["js", "js", "nip", "tao"]))
    return event


def mutated(rng, raw):
    raw = bytearray(raw)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(raw) + 1)
        what = rng.randrange(5)
        if what == 0 and at < len(raw):
            raw[at] ^= 1 << rng.randrange(8)
        elif what == 1 and at < len(raw):
            del raw[at:at + rng.choice([1, 1, 2, 8])]
        elif what == 2:
            raw[at:at] = rng.choice(PIECES)
        elif what == 3 and at < len(raw):
            raw[at:at + 1] = rng.choice(PIECES)
        else:
            del raw[at:]
    return bytes(raw)


def renumbered(rng, raw, event):
    name = rng.choice(["created_at", "kind"])
    for form in ('"%s":%d', '"%s": %d'):
        old = (form % (name, event[name])).encode()
        if raw.count(old) == 1:
            return raw.replace(old, ('"%s":%s' % (name, rng.choice(NUMBERS))).encode())
    return raw


def cases(path, n, seed):
    rng = random.Random(seed)
    with open(path, "rb") as f:
        lines = [line.strip() for line in f if len(line) < 2500]
    for _ in range(n):
        raw = rng.choice(lines)
        event = json.loads(raw)
        what = rng.randrange(6)
        if what == 1:
            raw = written(rng, event)
        elif what == 2:
            raw = written(rng, resigned(rng, event))
        elif what == 3:
            raw = mutated(rng, raw)
        elif what == 4:
            raw = mutated(rng, written(rng, resigned(rng, event)))
        elif what == 5:
            raw = renumbered(rng, raw, event)
        yield raw


def main():
    program, path = sys.argv[1:3]
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 6000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    inputs = list(cases(path, n, seed))
    answer = subprocess.run([program], input="".join(x.hex() + "\n" for x in inputs), text=True,
                            stdout=subprocess.PIPE, check=True).stdout.splitlines()
    if len(answer) != len(inputs):
        sys.exit("%d answers to %d inputs" % (len(answer), len(inputs)))
    counts = {}
    different = 0
    for raw, ours in zip(inputs, answer):
        theirs = verdict(raw)
        kind = " ".join(theirs.split()[:3])
        counts[kind] = counts.get(kind, 0) + 1
        if ours != theirs:
            different += 1
            print("input:  %r\nscanner: %s\noracle:  %s\n" % (raw, ours, theirs))
    print(", ".join("%s: %d" % item for item in sorted(counts.items())))
    # A run that never meets a class of cases would prove nothing about it.
    classes = {"accept js 0", "accept js 1", "accept nip 0", "accept nip 1", "accept tao 0", "accept tao 1",
               "id_mismatch", "invalid"}
    if n >= 3000 and not classes <= counts.keys():
        sys.exit("never seen: %s" % ", ".join(sorted(classes - counts.keys())))
    sys.exit("%d differences" % different if different else 0)


if __name__ == "__main__":
    main()
