#!/usr/bin/env python3
"""Every header compiles alone, in any order: headers.py ROOT BUILD.  Run by `meson test`, suite tidy.

A header that needs another one to come before it breaks the first file that includes it alone.  The flags are those of
the build's own compile commands.  Tables (*.def) are no headers: they are included by macros.
"""
import concurrent.futures
import json
import pathlib
import shlex
import subprocess
import sys


def flags_of(root, build):
    """The compiler and every -I, -isystem, -D, -std of the files of src/, each once."""
    compiler, flags = None, []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if not (pathlib.Path(entry["directory"]) / entry["file"]).resolve().is_relative_to(root / "src"):
            continue
        words = shlex.split(entry["command"])
        compiler = compiler or next(w for w in words if "ccache" not in w)
        for i, word in enumerate(words):
            if word == "-isystem":
                word += words[i + 1]
            if word.startswith(("-I", "-isystem", "-D", "-std=", "-pthread")) and word not in flags:
                flags.append(word)
    return compiler, [f for f in flags if "_FORTIFY_SOURCE" not in f]


def compile_alone(compiler, flags, build, root, header):
    """What the compiler has to say about this header as the only thing in a file, included twice."""
    name = header.relative_to(root / ("include/bigbrotr" if "include" in header.relative_to(root).parts[0] else "src"))
    source = f'#include "{name}"\n#include "{name}"\nint alone;\n'
    done = subprocess.run([compiler, *flags, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"],
                          input=source, capture_output=True, text=True, cwd=build, check=False)
    return "" if done.returncode == 0 else f"{header.relative_to(root)}:\n{done.stderr}"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    root, build = (pathlib.Path(a).resolve() for a in sys.argv[1:])
    compiler, flags = flags_of(root, build)
    headers = sorted([*root.glob("include/bigbrotr/*/*.h"), *root.glob("src/**/*.h")])
    if compiler is None or not headers:
        sys.exit("no headers, or nothing is compiled: is BUILD right?")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda h: compile_alone(compiler, flags, build, root, h), headers))
    print("".join(said) or f"{len(headers)} headers compile alone")
    sys.exit(any(said))


if __name__ == "__main__":
    main()
