#!/usr/bin/env python3
"""Which fuzz targets a change could reach: fuzz_reached.py ROOT BUILD < changed files.  Prints their names, for packaging/test.

A target is reached by its corpus and dictionary, by each source whose object the linker has put into it, as its debug information
tells, and by all that the compiler has read for these, as Ninja noted it.
"""
import pathlib
import re
import subprocess
import sys


def said(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def read_by_compiler(build):
    """Source -> all files that its objects were made of."""
    made_of = {}
    for note in said("ninja", "-C", build, "-t", "deps").split("\n\n"):
        files = {(build / line.strip()).resolve() for line in note.strip("\n").split("\n")[1:]}
        for path in files:
            if path.suffix == ".c":
                made_of.setdefault(path, set()).update(files)
    return made_of


def linked(build, program):
    """The sources in a program."""
    strings = said("readelf", "-W", "-p", ".debug_str", "-p", ".debug_line_str", program)
    return {(build / name).resolve() for name in re.findall(r"^ *\[ *[0-9a-f]+\] +(\S+\.c)$", strings, re.M)}


def main():
    root, build = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    changed = {(root / line.strip()).resolve() for line in sys.stdin}
    made_of = read_by_compiler(build)
    for program in sorted((build / "tests/fuzz").glob("fuzz_*")):
        if not program.is_file():
            continue
        name = program.name.removeprefix("fuzz_")
        sources = linked(build, program) & made_of.keys()
        reached = set().union(*(made_of[source] for source in sources), {root / f"tests/fuzz/{name}.dict"})
        corpus = root / "tests/fuzz/corpus" / name
        # A program that tells nothing of itself could be reached by anything.
        if len(sources) < 2 or changed & reached or any(corpus in path.parents for path in changed):
            print(name)


if __name__ == "__main__":
    main()
