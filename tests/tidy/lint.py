#!/usr/bin/env python3
"""clang-format and clang-tidy over a list of files: lint.py (format|tidy) ROOT BUILD < names, one a line.

`format` compares each C file with what .clang-format makes of it.  `tidy` runs clang-tidy over the sources of src/ with
the build's compile commands; a changed header is seen through the source of the same name.  What was clean stays clean
until the preprocessed text, the command or .clang-tidy changes: BUILD/tidy-cache remembers, so that only what changed
costs time.  When the budget (--budget SECONDS) is used up, the files that are left are named.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

VERSION = "14"  # of clang-format and clang-tidy: other releases lay out the same rules differently, and find other things


def run(*command, **kw):
    return subprocess.run(command, capture_output=True, text=True, check=False, **kw)


def need_version(tool):
    """Exit code 77 where it is another release."""
    version = re.search(r"version (\d+)", run(tool, "--version").stdout)
    if version is None or version.group(1) != VERSION:
        print(f"{tool} {VERSION} is needed, skipped")
        sys.exit(77)


def lint_format(root, names):
    """Names of the files that clang-format would change."""
    files = [n for n in names if re.fullmatch(r"(src|include|tests)/.*\.[ch]", n)]
    wrong = [n for n in files if run("clang-format", "--dry-run", "--Werror", n, cwd=root).returncode != 0]
    print(f"{len(files)} files, {len(wrong)} not as clang-format lays them out")
    print("".join(f"  {n}\n" for n in wrong), end="")
    return not wrong


class Tidy:
    """One run of clang-tidy over some of the files of a build."""

    def __init__(self, root, build, budget):
        self.root, self.build, self.end = root, build, time.monotonic() + budget
        self.cache = build / "tidy-cache"
        self.cache.mkdir(exist_ok=True)
        self.rules = (root / ".clang-tidy").read_text() + run("clang-tidy", "--version").stdout
        self.commands = {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
            if path.is_relative_to(root):
                self.commands[path.relative_to(root).as_posix()] = shlex.split(entry["command"])

    def sources(self, names):
        """The sources of src/ that these names stand for."""
        for n in names:
            n = re.sub(r"^include/bigbrotr/", "src/", n)
            n = re.sub(r"\.h$", ".c", n)
            if n.startswith("src/") and n in self.commands:
                yield n

    def key(self, name):
        """What the findings of a file depend on."""
        words = self.commands[name]
        cut = words.index("-o")
        text = run(*words[:cut], *words[cut + 2:], "-E", cwd=self.build).stdout
        text = re.sub(r'^# \d+ .*$', "", text, flags=re.M)
        source = (self.root / name).read_text()
        return hashlib.sha256("\0".join([self.rules, " ".join(words), source, text]).encode()).hexdigest()

    def check(self, name):
        """Findings of one file; None when there was no time."""
        stamp = self.cache / self.key(name)
        if stamp.exists():
            return []
        if time.monotonic() > self.end:
            return None
        done = run("clang-tidy", "--quiet", "-p", str(self.build), name, cwd=self.root)
        found = re.findall(r"^(?:\S+?/)?((?:src|include)/\S+:\d+:\d+: (?:error|warning): .*)$", done.stdout, re.M)
        if done.returncode == 0 and not found:
            stamp.touch()
        elif not found:
            found = [f"{name}: clang-tidy failed: {(done.stderr or done.stdout).strip()[-400:]}"]
        return found


def lint_tidy(root, build, names, budget):
    """Runs clang-tidy; prints the findings, each once."""
    tidy = Tidy(root, build, budget)
    sources = list(dict.fromkeys(tidy.sources(names)))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = dict(zip(sources, pool.map(tidy.check, sources)))
    late = [n for n, found in results.items() if found is None]
    found = sorted({f.replace(str(root) + "/", "") for fs in results.values() for f in fs or []})
    print(f"{len(sources) - len(late)} files, {len(found)} findings")
    print("".join(f"  {f}\n" for f in found), end="")
    if late:
        print(f"  no time for {len(late)} files (budget {budget} s): {' '.join(late)}")
    return not found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool", choices=["format", "tidy"])
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--budget", type=int, default=180)
    args = parser.parse_args()
    root = args.root.resolve()
    need_version(f"clang-{args.tool}")
    names = [n for n in sys.stdin.read().split("\n") if n and (root / n).is_file()]
    good = lint_format(root, names) if args.tool == "format" else lint_tidy(
        root, args.build.resolve(), names, args.budget)
    sys.exit(not good)


if __name__ == "__main__":
    main()
