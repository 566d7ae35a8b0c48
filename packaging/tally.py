#!/usr/bin/env python3
"""Counts what tests a log tells of: tally.py LABEL LOG.  Prints "LABEL PASSED FAILED SKIPPED" for packaging/test.

LOG is Meson's testlog.json (each cmocka case is a test; a program without cases is one) or a JUnit file of pytest's.
What failed is shown on standard error, with the end of what it said.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ET

SAID_MAX = 60  # lines of a failed test's output that are shown


def show(name, said):
    """A failed test and the end of its output, set in so that no line of it reads as the run's own."""
    lines = said.rstrip().splitlines()
    print(f"--- failed: {name}", file=sys.stderr)
    for line in (["..."] if len(lines) > SAID_MAX else []) + lines[-SAID_MAX:]:
        print(f"    | {line}", file=sys.stderr)


def cases(said, word):
    """The sum of cmocka's closing counts of one kind."""
    return sum(int(n) for n in re.findall(rf"^\[ +{word} +\] (\d+) test\(s\)", said, re.M))


def meson(label, text):
    """Counts of a testlog.json: one JSON object a line."""
    passed = failed = skipped = 0
    for line in text.splitlines():
        test = json.loads(line)
        said = (test.get("stdout") or "") + (test.get("stderr") or "")
        result = test["result"]
        if result in ("SKIP",):
            skipped += 1
            print(f"--- skipped: {label} {test['name']}", file=sys.stderr)
        elif result in ("OK", "EXPECTEDFAIL"):
            skipped += cases(said, "SKIPPED")
            passed += cases(said, "PASSED") or (0 if cases(said, "SKIPPED") else 1)
        else:
            passed += cases(said, "PASSED") or len(re.findall(r"^\[ +OK +\]", said, re.M))
            skipped += cases(said, "SKIPPED")
            failed += cases(said, "FAILED") or 1
            show(f"{label} {test['name']} ({result}, exit {test.get('returncode')})", said)
    return passed, failed, skipped


def junit(label, text):
    """Counts of a JUnit file."""
    passed = failed = skipped = 0
    for case in ET.fromstring(text).iter("testcase"):
        name = f"{label} {case.get('classname')}::{case.get('name')}"
        bad = case.find("failure")
        bad = case.find("error") if bad is None else bad
        skip = case.find("skipped")
        if bad is not None:
            failed += 1
            show(name, (bad.text or bad.get("message") or ""))
        elif skip is not None:
            skipped += 1
            print(f"--- skipped: {name}: {skip.get('message')}", file=sys.stderr)
        else:
            passed += 1
    return passed, failed, skipped


def main():
    label, path = sys.argv[1], pathlib.Path(sys.argv[2])
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        counts = junit(label, text) if path.suffix == ".xml" else meson(label, text)
    except (OSError, ValueError, ET.ParseError) as e:
        show(label, f"no result: {e}")
        counts = (0, 1, 0)
    print(label, *counts)


if __name__ == "__main__":
    main()
