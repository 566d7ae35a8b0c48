#!/usr/bin/env python3
"""docs/troubleshooting.md has a line for every error that a person can meet, and for no other: docs.py ROOT."""
import pathlib
import re
import sys


def main():
    root = pathlib.Path(sys.argv[1])
    page = (root / "docs/troubleshooting.md").read_text(encoding="utf-8")
    table = (root / "include/bigbrotr/core/err.def").read_text(encoding="utf-8")
    errors = {name.lower() for name in re.findall(r"^ERR\((\w+),", table, re.M)}
    rows = re.findall(r"^\| `([a-z0-9_]+)`[^|]*\|", page, re.M)
    for name in sorted(errors - set(rows)):
        print(f"docs/troubleshooting.md: no row for `{name}`, which err.def has")
    for name in sorted(set(rows) - errors):
        print(f"docs/troubleshooting.md: a row for `{name}`, which err.def does not have")
    return int(set(rows) != errors)


sys.exit(main())
