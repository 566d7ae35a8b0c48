#!/usr/bin/env python3
"""What the documents say that needs no running program: docs.py ROOT.  The rest is tests/system/test_documents.py.

Every fenced block is of a kind that is run or checked; what it shows of a program's output is something that the program can print.
Links, files, and keys of the configuration that are named exist.  docs/troubleshooting.md has a line for every error that a person can
meet, and for no other; whoever writes to the log has a level in [log] modules; src/README.md names every source file; docs/nips.md has
every NIP that the code speaks of, with tests that exist."""
import pathlib
import re
import sys

from blocks import LANGUAGES, all_blocks, documents

LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
CONVERSION = re.compile(r"%(?:%|[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z|j|t)?[a-zA-Z])")
WORDS_OF_OTHERS = {"CN", "EC", "SHA", "TLS", "ECDHE", "ECDSA", "AES", "GCM"}  # of certificates, PostgreSQL, relays


def formats(root):
    """Everything that our programs print, a line each, with its variable parts cut out: [["the archive is prepared: ", " known"], ..]"""
    found = set()
    for path in sorted([*(root / "src").rglob("*.[ch]"), *(root / "src").rglob("*.def"), *(root / "include").rglob("*.[ch]"),
                        *(root / "include").rglob("*.def")]):
        text = re.sub(r'"\s*PRI\w+\s*"', "d", path.read_text(encoding="utf-8"))
        text = re.sub(r'"\s*PRI\w+', 'd"', text)
        for literal in LITERAL.findall(re.sub(r'(?<!\\)"\s*\n\s*"', "", text)):
            plain = literal.replace('\\"', '"').replace("\\t", " ").replace("\\n", "\n")
            found.update(tuple(CONVERSION.split(line)) for line in plain.split("\n") if re.search(r"[A-Za-z]{3}", line))
    for path in [root / "packaging" / name for name in ("common.sh", "mbedtls.sh", "run")]:
        for said in re.findall(r'^\s*say "(.*)"', path.read_text(encoding="utf-8"), re.M):
            found.add(tuple(re.split(r"\$(?:\w+|\*|\{[^}]*\}|\([^)]*\))", f"run: {said}")))
    return found


def log_modules(root):
    table = re.search(r"#define LOG_MODULES\(X\)(?:.*\\\n)*.*\n", (root / "src/core/log.h").read_text(encoding="utf-8"))
    return re.findall(r"X\((\w\w+)\)", table[0])


class Printed:
    def __init__(self, root):
        self.formats = formats(root)
        self.words = {word for parts in self.formats for part in parts for word in re.findall(r"[A-Za-z]{3,}", part)}
        names = "|".join(log_modules(root))
        self.logged = re.compile(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z (?:error|warning|info|debug) (?:{names}) (?P<text>.*)")
        self.journal = re.compile(rf"\d+\.\d\d (?:systemd: (?P<unit>[\w.-]+):.*|bigbrotrd: (?:{names}): (?P<text>.*))")
        self.units = root / "packaging/systemd"

    def fits(self, line):
        """Is there a format that begins as the line does, and whose other parts follow in their order?"""
        for parts in self.formats:
            if len("".join(parts).strip()) < 5 or not line.startswith(parts[0]) or (not parts[0].strip() and len("".join(parts)) < 12):
                continue
            if len(parts) == 1 and line != parts[0] and not (parts[0][-1] in " :(" or line.startswith(parts[0] + "  ")):
                continue
            at = 0
            for part in parts:
                at = line.find(part, at)
                if at < 0:
                    break
                at += len(part)
            else:
                return True
        return False

    def could_be(self, line):
        logged = self.logged.fullmatch(line) or self.journal.fullmatch(line)
        if logged and logged.groupdict().get("unit"):
            return (self.units / logged["unit"]).exists()  # systemd's own words
        text = logged["text"] if logged else line
        if not text.strip() or self.fits(text) or self.fits(text.strip()):
            return True
        if logged:
            return False
        # A line that is put together: a label of ours, or at least words of ours.
        label = re.split(r"\s{2,}|\s(?=\d)", text.strip())[0]
        own = [word for word in re.findall(r"(?<![\w./:@%\"*=-])[A-Za-z]{3,}(?![\w./@-]|:\S)", re.sub(r'"[^"]*"|\bCN=.*|\S*[/.@]\S*|\S*:\S+', " ", text))]
        return any("".join(parts).strip() == label for parts in self.formats) or \
            all(word in self.words or word in WORDS_OF_OTHERS for word in own)


def check_blocks(root):
    printed = Printed(root)
    for block in all_blocks(root):
        if block.language not in LANGUAGES:
            yield f"{block}: a block {f'in `{block.language}`' if block.language else 'without a language'}: nobody can run or check it"
        elif block.language == "text" and (block.above is None or block.above.language != "sql"):
            yield f"{block}: `text` is what the sql right above it printed; this is something else"
        elif block.language == "diagram":
            for name in re.findall(r"(?<![\w/.*-])[a-z]+(?:/|\.c)(?![\w.])", block.text):
                if not any(root.glob(f"src/{name}")) and not any(root.glob(f"src/*/{name}")):
                    yield f"{block}: names {name}, which is not there"
        elif block.language == "console":
            for n, line in enumerate(block.text.splitlines(), block.line + 1):
                if not re.match(r"[$#] ", line) and not printed.could_be(line):
                    yield f"{block.path}:{n}: none of our programs prints this: {line.strip()}"


def keys(root):
    """Section -> keys, from the example, which is the table of the configuration."""
    sections, section = {}, ""
    for line in (root / "etc/bigbrotr.ini").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"#?\[([\w.]+)[^\]]*\]$", line):
            section = match[1]
        elif match := re.match(r"#?([a-z0-9_]+) =", line):
            sections.setdefault(section, set()).add(match[1])
    return sections


def check_words(root):
    """Links, files and keys."""
    sections = keys(root)
    for path in documents(root):
        text = (root / path).read_text(encoding="utf-8")
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
            if not re.match(r"[a-z]+:", link) and not (root / path.parent / link).exists():
                yield f"{path}: a link to {link}, which is not there"
        for name in re.findall(r"(?<![\w/.~-])(?:\./)?((?:packaging|tests|src|etc|docs|subprojects|include|sql)/[\w./-]*[\w/])", text):
            if not (root / name).exists() and not (root / path.parent / name).exists():
                yield f"{path}: names {name}, which is not there"
        for section, named in re.findall(r"`\[(\w[\w.]*)\w*[^\]`]*\] (\w+)", text):
            if named not in sections.get(section, ()):
                yield f"{path}: [{section}] {named} is no key"
        for section, named in [(a.lower(), b.lower()) for a, b in re.findall(r"BIGBROTR_([A-Z]+)_([A-Z0-9_]+)", text) if a != "BUILD"]:
            if named not in sections.get(section, ()):
                yield f"{path}: [{section}] {named} is no key"


def check_troubleshooting(root):
    page = (root / "docs/troubleshooting.md").read_text(encoding="utf-8")
    table = (root / "include/bigbrotr/core/err.def").read_text(encoding="utf-8")
    errors = {name.lower() for name in re.findall(r"^ERR\((\w+),", table, re.M)}
    rows = set(re.findall(r"^\| `([a-z0-9_]+)`[^|]*\|", page, re.M))
    yield from (f"docs/troubleshooting.md: no row for `{name}`, which err.def has" for name in sorted(errors - rows))
    yield from (f"docs/troubleshooting.md: a row for `{name}`, which err.def does not have" for name in sorted(rows - errors))


def check_modules(root):
    """Who writes to the log can be told how much: [log] modules."""
    known, writes = set(log_modules(root)), set()
    for path in (root / "src").rglob("*.c"):
        writes.update(re.findall(r'\blog_(?:error|warning|info|debug)(?:_limited)?\(\s*"(\w+)"', path.read_text(encoding="utf-8")))
    yield from (f"src/core/log.h: LOG_MODULES has no {name}, which writes to the log" for name in sorted(writes - known))
    yield from (f"src/core/log.h: LOG_MODULES has {name}, which never writes" for name in sorted(known - writes))


def check_architecture(root):
    text = (root / "src/README.md").read_text(encoding="utf-8")
    yield from (f"src/README.md: does not name {path.name}" for path in sorted((root / "src").rglob("*.c")) if f"`{path.name}`" not in text)
    for name in sorted(set(re.findall(r"`(\w+\.(?:c|h|def|py))`", text))):
        if not any(found for top in ("src", "include") for found in (root / top).rglob(name)):
            yield f"src/README.md: names {name}, which is not there (any more)"


def check_nips(root):
    """docs/nips.md: its files and tests exist, and it has every NIP that the code refers to."""
    page = (root / "docs/nips.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\| \d.*\|$", page, re.M)]
    listed = {nip for row in rows for nip in row[0].split(", ")}
    for path in sorted([*(root / "src").rglob("*.[ch]"), *(root / "include").rglob("*.[ch]"), *(root / "sql").glob("*.sql")]):
        text = re.sub(r"\n \* ", " ", path.read_text(encoding="utf-8"))
        for said in re.findall(r"\bNIP-([0-9A-F]{2}(?:, [0-9A-F]{2}\b(?! NIP| until))*)", text):
            yield from (f"docs/nips.md: nothing of NIP-{nip}, of which {path.relative_to(root)} speaks" for nip in said.split(", ") if nip not in listed)
    for row in rows:
        for name in re.findall(r"`([\w/]+\.c)`", row[2]):
            if not (root / "src" / name).exists():
                yield f"docs/nips.md: NIP-{row[0]}: no {name}"
        file = ""
        for name in re.findall(r"`([\w.]+)`", row[3]):
            if name.endswith((".c", ".py")):
                file = next((path.read_text(encoding="utf-8") for path in (root / "tests").rglob(name)), None)
            if file is None or not name.endswith((".c", ".py")) and f" {name}(" not in file:
                yield f"docs/nips.md: NIP-{row[0]}: no test {name}"


def main():
    root = pathlib.Path(sys.argv[1])
    said = [line for check in (check_blocks, check_words, check_troubleshooting, check_modules, check_architecture, check_nips) for line in check(root)]
    print("\n".join(said) or f"{len(all_blocks(root))} blocks in {len(documents(root))} documents")
    return int(bool(said))


sys.exit(main())
