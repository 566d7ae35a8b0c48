#!/usr/bin/env python3
"""libbigbrotr as another program gets it: library.py ROOT BUILD CC NM MESON..

Installed into a directory, found by pkg-config, the example of docs/ is built with the shared and with the static library and
judges real events; the shared library shows the functions of its headers and nothing else."""
import lzma
import os
import pathlib
import re
import subprocess
import sys
import tempfile

STRICT = ["-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def exported(nm, library):
    return {line.split()[-1] for line in run(nm, "--defined-only", "--extern-only", *library).splitlines() if len(line.split()) == 3}


def main():
    root, build, cc, nm, meson = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]
    said = []
    names = set(re.findall(r"^#define (\w+) +bigbrotr_\1$", (root / "include/bigbrotr/core/names.h").read_text(), re.MULTILINE))
    with tempfile.TemporaryDirectory() as place:
        run(*meson, "install", "-C", build, "--no-rebuild", "--destdir", place)
        pc = next(pathlib.Path(place).rglob("bigbrotr.pc"))
        include = next(pathlib.Path(place).rglob("bigbrotr/nostr/event.h")).parents[2]
        env = {**os.environ, "PKG_CONFIG_PATH": f"{pc.parent}:{os.environ.get('PKG_CONFIG_PATH', '')}"}
        # Where it was installed for the test, not where it would be.
        where = [f"--define-variable=libdir={pc.parents[1]}", f"--define-variable=includedir={include}", "bigbrotr"]
        version = run("pkg-config", "--modversion", "bigbrotr", env=env).strip()
        header = " ".join(re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S) for path in include.rglob("*.h") if path.name != "names.h")
        declared = set(re.findall(r"\b([a-z]\w*)\(", header)) & {name.removeprefix("bigbrotr_") for name in exported(nm, ["-D", pc.parents[1] / "libbigbrotr.so"])}
        for kind, library in (("shared", ["-D", pc.parents[1] / "libbigbrotr.so"]), ("static", [pc.parents[1] / "libbigbrotr.a"])):
            shown = {name for name in exported(nm, library) if not name.startswith(("_init", "_fini"))}
            if shown != {f"bigbrotr_{name}" for name in names}:
                said.append(f"{kind}: shows {sorted(shown ^ {f'bigbrotr_{name}' for name in names})}")
        if names - declared - {"url_any_address"}:
            said.append(f"in names.h and in no header: {sorted(names - declared)}")
        events = lzma.decompress((root / "tests/data/events-real.jsonl.xz").read_bytes()).decode()
        events += lzma.decompress((root / "tests/data/events-invalid.jsonl.xz").read_bytes()).decode()[:200] + "\n"
        for kind in ("shared", "static"):
            program = pathlib.Path(place) / f"verify-{kind}"
            flags = run("pkg-config", "--cflags", *([] if kind == "static" else ["--libs"]), *where, env=env).split()
            if kind == "static":  # ours; what it needs may be shared
                needs = run("pkg-config", "--print-requires-private", "bigbrotr", env=env).split()
                flags += [str(pc.parents[1] / "libbigbrotr.a"), *run("pkg-config", "--libs", *needs).split(), "-lm"]
            run(cc, *STRICT, "-o", program, root / "docs/examples/verify.c", *flags)
            out = run(program, input=events, env={**env, "LD_LIBRARY_PATH": str(pc.parents[1])}).splitlines()
            good, bad = sum(line.startswith("npub1") for line in out), sum(line.startswith("bad: ") for line in out)
            mentions = sum(line.startswith("    mentions wss://") for line in out)
            if good < 2000 or bad != 1 or mentions < 100:
                said.append(f"{kind}: {good} good, {bad} bad, {mentions} mentions")
    print("\n".join(said) or f"libbigbrotr {version}: {len(names)} functions")
    return int(bool(said))


sys.exit(main())
