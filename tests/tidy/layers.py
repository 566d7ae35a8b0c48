#!/usr/bin/env python3
"""Holds the architecture: python3 tests/tidy/layers.py ROOT.  Run by `meson test`, suite tidy.

A file includes only its own room and rooms below it, a foreign library is included only by its doorway, a pure room
knows no sockets, clocks or threads, no file is longer than a person reads, the top level holds what it should, and
nothing unfinished or bound to one machine is left in the text.  src/README.md tells why.
"""
import pathlib
import re
import subprocess
import sys

MAY_SEE = {  # room: the rooms below it.  Nothing may see a room above its own.
    "core": [],
    "config": ["core"],
    "loop": ["core"],
    "net": ["core", "config", "loop"],  # a URL reaches it as host, port and path
    "nostr": ["core"],
    "relay": ["core", "loop", "net", "nostr"],
    "db": ["core", "loop", "nostr"],
    "ingest": ["core", "loop", "nostr", "db"],
    "services": ["core", "config", "loop", "net", "nostr", "relay", "db", "ingest"],
    "http": ["core", "loop", "net", "nostr", "db", "services"],
    "cli": ["core", "config", "loop", "net", "nostr", "relay", "db", "ingest", "services"],
    "daemon": ["core", "config", "loop", "net", "nostr", "relay", "db", "ingest", "services", "http"],  # puts them together
}
# The rooms inside services/: what the services share ("": roster, lists, times), and the services, which never call each other.
SERVICES = {
    "walk": [],
    "": ["walk"],
    "probe": [""],
    "visit": ["", "walk"],
    "sync": ["", "walk", "visit"],
    "monitor": ["", "probe", "visit"],
    "finder": ["", "probe"],
    "plan": [],
    "keeper": [""],
}
MAIN = "main.c"  # the only file beside the rooms
INSTALLED = ["core", "nostr"]  # rooms of include/bigbrotr: the protocol library
DOORWAY = {  # third-party header: the only files that may include it
    r"uv\.h": r"(?!core/|config/|nostr/).*",  # handles are embedded in what owns them, in every room above loop/
    r"libpq-fe\.h": r"db/(conn|rows|pool|cluster|migrate)\w*\.[ch]",
    r"wslay/": r"net/ws\.c",
    r"mbedtls/|psa/": r"net/tls\w*\.[ch]|core/sha256\.c",
    r"openssl/": r"core/sha256\.c",
    r"secp256k1": r"nostr/(verify|sign|keys)\.[ch]",
    r"jansson\.h": r"core/json\w*\.[ch]",
    r"ini\.h": r"config/config\w*\.c",
    r"ares\w*\.h": r"net/dns\w*\.[ch]",
    r"http_parser\.h": r"net/http1\.c",
    r"idn2\.h": r"nostr/url\w*\.c",
    r"microhttpd\.h": r"http/server\.c",
    r"cmocka\.h": r"(?!)",
}
# What a pure room may not even see: sockets, clocks, threads, processes.
IMPURE = r"sys/(socket|time|select|epoll|wait|un)\.h|netdb\.h|pthread\.h|threads\.h|time\.h|unistd\.h|fcntl\.h|signal\.h"
PURE = ["nostr"]
PURE_BUT = {("nostr/keys.c", "unistd.h")}  # the size of the page that a secret is locked in
TOP = {"meson.build", "src", "include", "subprojects", "sql", "etc", "tests", "packaging", "docs", "README.md", "LICENSE",
       "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
CODE = {".c", ".h", ".def", ".py", ".sh", ".js", ".mjs", ".sql", ".build", ""}
FILE_MAX = 700
# Put together from pieces, so that this file passes its own test.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
MACHINE = re.compile(r"/wo" r"rk/|/home/\w+/|/tmp/(helpers|build-)|/Us" r"ers/\w")


def files_of(root):
    """Tracked files and new ones that git would add; without git, everything but the build."""
    git = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         capture_output=True, check=False)
    if git.returncode == 0 and git.stdout:
        names = git.stdout.decode().split("\0")
        return sorted({n for n in names if n and (root / n).is_file()})
    names = (p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    return sorted(n for n in names if not re.match(r"build|\.git/", n) and "node_modules/" not in n)


def room_of(name):
    """The room of a source file and its name as the others include it, or (None, None)."""
    for prefix in ("include/bigbrotr/", "src/"):
        if name.startswith(prefix) and name.endswith((".c", ".h", ".def")):
            inner = name[len(prefix):]
            return (inner.split("/")[0] if "/" in inner else ""), inner
    return None, None


def inner_room(inner):
    """"walk" of "services/walk/walk.h", "" of "services/roster.h"."""
    parts = inner.split("/")
    return parts[1] if len(parts) > 2 else ""


def check_include(name, room, inner, kind, what):
    """Why this file may not include that, or None."""
    if kind == '"':
        seen = what.split("/")[0] if "/" in what else None
        if room == "":
            return None
        if seen is None:
            return f'write "{room}/{what}": includes name their room'
        if seen not in MAY_SEE:
            return f"{what} is in no room"
        if seen != room and seen not in MAY_SEE[room]:
            return f"{room}/ may not include {what}"
        if what.endswith("_internal.h") and what.rpartition("/")[0] != inner.rpartition("/")[0]:
            return f"{what} is for its own folder"
        if room == seen == "services":
            own, other = inner_room(name[len("src/"):]), inner_room(what)
            if own not in SERVICES or own != other and other not in SERVICES[own]:
                return f"services/{own} may not include {what}"
        if name.startswith("include/") and seen not in INSTALLED:
            return f"an installed header may not include {what}"
        return None
    for header, doors in DOORWAY.items():
        if re.match(header, what) and not re.fullmatch(doors, inner):
            return f"<{what}> is only for {doors}"
    if room in PURE and re.fullmatch(IMPURE, what) and (inner, what) not in PURE_BUT:
        return f"{room}/ is pure: no <{what}>"
    return None


def check_source(root, name, lines):
    """A source file against the rules of the rooms."""
    room, inner = room_of(name)
    if room is None:
        return
    if room == "" and inner != MAIN:
        yield f"{name}: only {MAIN} stands beside the rooms"
    elif room and room not in MAY_SEE:
        yield f"{name}: {room}/ is not a room"
    elif name.startswith("include/") and room not in INSTALLED:
        yield f"{name}: {room}/ installs no headers"
    elif name.startswith("include/") and (root / "src" / inner).exists():
        yield f"{name}: src/{inner} has the same name"
    else:
        for n, line in enumerate(lines, 1):
            m = re.match(r'\s*#\s*include\s+(["<])([^">]+)', line)
            wrong = m and check_include(name, room, inner, m.group(1), m.group(2))
            if wrong:
                yield f"{name}:{n}: {wrong}"


def check(root):
    """All that is wrong below root, one line each."""
    names = files_of(root)
    for top in sorted({n.split("/")[0] for n in names}):
        if top not in TOP and not top.startswith("."):
            yield f"{top}: not at the top level"
    for name in names:
        data = (root / name).read_bytes()
        if name.startswith(("tests/fuzz/corpus/", "tests/data/")) or b"\0" in data:
            continue
        path = pathlib.PurePosixPath(name)
        lines = data.decode("utf-8", "replace").splitlines()
        if path.suffix in CODE and len(lines) > FILE_MAX:
            yield f"{name}: {len(lines)} lines, at most {FILE_MAX}"
        if path.suffix in CODE | {".md", ".ini", ".wrap"}:
            for n, line in enumerate(lines, 1):
                if UNFINISHED.search(line):
                    yield f"{name}:{n}: unfinished: {line.strip()[:80]}"
                if MACHINE.search(line):
                    yield f"{name}:{n}: a path of one machine: {line.strip()[:80]}"
        yield from check_source(root, name, lines)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    errors = list(check(pathlib.Path(sys.argv[1]).resolve()))
    print("\n".join(errors) or "layers ok")
    sys.exit(bool(errors))


if __name__ == "__main__":
    main()
