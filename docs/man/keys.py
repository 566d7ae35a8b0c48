#!/usr/bin/env python3
"""Writes the manual page of the configuration from its tables: keys.py PAGE.in config.def config_relay.def config_source.def

The page, in scdoc's language, goes to standard output: @SECTIONS@, @RELAY@ and @SOURCE@ are replaced by what stands in the tables, so
that a key is described in one place only.
"""
import pathlib
import re
import sys

TYPES = {"BOOL": "boolean", "INT": "number", "STR": "text", "FILE": "file", "DIR": "directory", "SECRET": "secret file",
         "DURATION": "duration", "SIZE": "size", "PERCENT": "percentage", "LIST": "list", "RATE": "rate", "ENUM": "word"}
RANGED = {"INT", "DURATION", "SIZE", "PERCENT", "RATE"}
STRING = r'"((?:[^"\\]|\\.)*)"'
SECTION = re.compile(rf"^CFG_SECTION\((\w+),\s*{STRING}\)", re.M)
ROW = re.compile(rf"^CFG\((\w+),\s*(\w+),\s*(\w+),\s*{STRING},\s*{STRING},\s*{STRING},\s*(LIVE|FROZEN),\s*{STRING}\)", re.M)
NAMED_ROW = rf"^%s\((\w+),\s*(\w+),\s*{STRING},\s*{STRING},\s*{STRING},\s*{STRING}\)"


def plain(text):
    """Text that scdoc takes as it stands."""
    return re.sub(r"([\\*_\[\]#`])", r"\\\1", text.replace('\\"', '"'))


def sentence(text):
    """The help of a table as a sentence: `x` is a command."""
    words = [f"*{plain(part)}*" if i % 2 else plain(part) for i, part in enumerate(text.split("`"))]
    text = "".join(words)
    return text if text.endswith(".") else text + "."


def entry(key, kind, default, low, high, live, text):
    facts = [TYPES[kind]]
    if kind == "ENUM":
        *words, text = text.split("|")
        facts = ["one of " + ", ".join(words)]
    if kind in RANGED:
        facts.append(f"from {plain(low)} to {plain(high)}")
    facts.append(f"default {plain(default)}" if default else "empty by default")
    facts.append("SIGHUP changes it" if live else "*restart*")
    if re.match("[a-z]+ ", text):
        text = text[0].upper() + text[1:]
    return f"*{plain(key)}* ({'; '.join(facts)})\n\t{sentence(text)}\n\n"


def rows_of(pattern, table, macro):
    """All rows; one that the pattern does not know would silently be missing."""
    found = pattern.findall(table)
    if len(found) != len(re.findall(rf"^{macro}\(", table, re.M)):
        sys.exit(f"keys.py: a row of {macro} cannot be read")
    return found


def named(table, macro):
    """The keys of a section that has a name of its own."""
    return "".join(entry(key, kind, default, low, high, True, text)
                   for key, kind, default, low, high, text in rows_of(re.compile(NAMED_ROW % macro, re.M), table, macro))


def main():
    page, config, relay, source = (pathlib.Path(path).read_text(encoding="utf-8") for path in sys.argv[1:5])
    rows = rows_of(ROW, config, "CFG")
    sections = ""
    for section, text in rows_of(SECTION, config, "CFG_SECTION"):
        sections += f"## [{section}]\n\n{sentence(text)}\n\n"
        for name, key, kind, default, low, high, reload, help_text in rows:
            if name == section:
                sections += entry(key, kind, default, low, high, reload == "LIVE", help_text)
    relays, sources = named(relay, "CFG_RELAY"), named(source, "CFG_SOURCE")
    sys.stdout.write(page.replace("@SECTIONS@\n", sections).replace("@RELAY@\n", relays).replace("@SOURCE@\n", sources))


main()
