#!/usr/bin/env python3
"""`meson install` puts all that a person needs where the system looks for it: install.py BUILD MESON.."""
import pathlib
import re
import subprocess
import sys
import tempfile

WANT = """
    sbin/bigbrotrd  bin/bigbrotr
    lib/systemd/system/bigbrotr-backup.service  lib/systemd/system/bigbrotr-backup.timer
    lib/systemd/system/bigbrotr.service  lib/sysusers.d/bigbrotr.conf  lib/tmpfiles.d/bigbrotr.conf
    share/bash-completion/completions/bigbrotr  share/bash-completion/completions/bigbrotrd
    share/bigbrotr/prometheus/bigbrotr.rules.yml  share/bigbrotr/grafana/bigbrotr.json
    share/doc/bigbrotr/README.md  share/doc/bigbrotr/CHANGELOG.md  share/doc/bigbrotr/docs/troubleshooting.md
    share/doc/bigbrotr/examples/bigbrotr.ini  share/doc/bigbrotr/examples/prometheus.yml  share/doc/bigbrotr/examples/pgbouncer.ini
"""
PAGES = "share/man/man8/bigbrotrd.8  share/man/man1/bigbrotr.1  share/man/man5/bigbrotr.ini.5"


def main():
    build, meson = pathlib.Path(sys.argv[1]), sys.argv[2:]
    said = []
    with tempfile.TemporaryDirectory(prefix="bb-install-") as root:
        done = subprocess.run([*meson, "install", "-C", str(build), "--no-rebuild", "--destdir", root], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            sys.exit(done.stdout[-2000:] + done.stderr)
        top = pathlib.Path(root)
        prefix = next(top.rglob("sbin/bigbrotrd")).parents[1]
        want = WANT.split() + (PAGES.split() if (build / "docs/bigbrotr.1").exists() else [])
        said += [f"{path} is not installed" for path in want if not (prefix / path).is_file()]
        said += [f"{path} is nobody's business" for path in prefix.rglob("*") if path.name in ("meson.build", "keys.py")]
        said += [f"{path} lies outside of the prefix" for path in top.rglob("*")
                 if not path.is_relative_to(prefix) and not prefix.is_relative_to(path)]
        unit = (prefix / "lib/systemd/system/bigbrotr.service").read_text()
        daemon = re.search(r"^ExecStart=(\S+)", unit, re.M)[1]
        if top / daemon.lstrip("/") != prefix / "sbin/bigbrotrd":
            said.append(f"the unit starts {daemon}")
    print("\n".join(said))
    return int(bool(said))


sys.exit(main())
