"""The Debian packages: built, judged by lintian; bigbrotr installed, started, upgraded, removed and purged, and a program built with
libbigbrotr-dev, in a root that is thrown away.

The root is this machine's own with a layer of memory over it, in namespaces of its own without a network: nothing reaches the
machine.  There is no systemd in it to start services; what the unit does is done by hand.
"""
from __future__ import annotations

import lzma
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT

NEEDED = ("dpkg-buildpackage", "dh", "lintian", "scdoc", "po2debconf")
FILES = """
    etc/bigbrotr/bigbrotr.ini  usr/sbin/bigbrotrd  usr/bin/bigbrotr  usr/lib/sysusers.d/bigbrotr.conf  usr/lib/tmpfiles.d/bigbrotr.conf
    usr/share/bash-completion/completions/bigbrotr  usr/share/bigbrotr/prometheus/bigbrotr.rules.yml  usr/share/bigbrotr/grafana/bigbrotr.json
    usr/share/doc/bigbrotr/README.md  usr/share/doc/bigbrotr/docs/troubleshooting.md  usr/share/doc/bigbrotr/examples/bigbrotr.ini
    usr/share/man/man1/bigbrotr.1.gz  usr/share/man/man5/bigbrotr.ini.5.gz  usr/share/man/man8/bigbrotrd.8.gz
"""
LIBRARY = {
    "libbigbrotr0": r"usr/lib/[^/]+/libbigbrotr\.so\.\d[\d.]*",
    "libbigbrotr-dev": r"usr/include/bigbrotr/[\w/]+\.(h|def)|usr/lib/[^/]+/(libbigbrotr\.(a|so)|pkgconfig/bigbrotr\.pc)",
}
DOCUMENT = (ROOT / "docs" / "install.md").read_text()
LAYER = """
mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/root" &&
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root" &&
mount -t proc proc "$1/root/proc" && mount --rbind /dev "$1/root/dev" && ip link set lo up 2>/dev/null; echo ready; exec cat
"""


class Root:
    def __init__(self, home: Path):
        self.top = home / "layer"
        self.top.mkdir()
        self.process = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", LAYER, "sh", str(self.top)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def path(self, path: str) -> Path:
        """Seen through the namespace of the process that holds it."""
        return Path(f"/proc/{self.process.pid}/root{self.top}/root{path}")

    def run(self, *command: str) -> str:
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(["nsenter", "-t", str(self.process.pid), "--mount", "--net", "chroot", str(self.top / "root"), *command],
                              env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def ours(self) -> set[str]:
        """All that is named after us or belongs to a user who is gone."""
        listed = self.run("sh", "-c", "find /etc /lib /usr /var /run -xdev -not -path '/var/tmp/*' \\( -name '*bigbrotr*' -o -nouser \\); "
                          "{ getent passwd; getent group; } | grep bigbrotr; true")
        return set(listed.split("\n"))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def build_packages() -> dict[str, Path]:
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    env = {k: v for k, v in os.environ.items() if not k.startswith("BIGBROTR_")}
    # Not optimised: what is looked at is the package, not the program.
    env["DEB_BUILD_OPTIONS"] = "nocheck noopt noautodbgsym parallel=2"
    shutil.rmtree(ROOT / "build" / "deb", ignore_errors=True)
    done = subprocess.run([str(ROOT / "packaging" / "deb")], env=env, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = {Path(line).name.split("_")[0]: Path(line) for line in done.stdout.split() if line.endswith(".deb")}
    assert set(found) == {"bigbrotr", *LIBRARY}, done.stdout
    return found


def look_inside(packages: dict[str, Path], home: Path) -> None:
    package = packages["bigbrotr"]
    linted = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", str(next(package.parent.glob("*.changes")))],
                            capture_output=True, text=True, timeout=120, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    subprocess.run(["dpkg-deb", "-R", str(package), str(home / "x")], check=True)
    inside = home / "x"
    for path in [*FILES.split(), str(next(inside.rglob("bigbrotr.service")).relative_to(inside))]:
        assert (inside / path).is_file(), path
    assert (inside / "DEBIAN" / "conffiles").read_text() == "/etc/bigbrotr/bigbrotr.ini\n"
    version = re.search(r"version: '([^']*)'", (ROOT / "meson.build").read_text())
    assert version is not None
    assert f"\nVersion: {version[1]}\n" in (inside / "DEBIAN" / "control").read_text(), "packaging/debian/changelog and meson.build differ"
    for name, files in LIBRARY.items():
        listed = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(packages[name])], capture_output=True, check=True).stdout
        names = subprocess.run(["tar", "-tf", "-"], input=listed, capture_output=True, check=True).stdout.decode().split()
        ours = [path.removeprefix("./") for path in names if not path.endswith("/") and not path.startswith("./usr/share/doc/")]
        assert ours and all(re.fullmatch(files, path) for path in ours), ours
    assert not list(inside.rglob("libbigbrotr*")) and not (inside / "usr/include").exists()


def newer(home: Path) -> Path:
    """The same package as the next version, its configuration changed."""
    tree = home / "x"
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 99", control.read_text(), flags=re.M))
    with (tree / "etc/bigbrotr/bigbrotr.ini").open("a") as ini:
        ini.write("# another line\n")
    subprocess.run(["dpkg-deb", "-b", "--root-owner-group", str(tree), str(home / "newer.deb")], check=True, capture_output=True)
    return home / "newer.deb"


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="bb-package-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def install(root: Root, package: Path) -> None:
    root.run("dpkg", "-i", str(package))
    assert mode(root.path("/etc/bigbrotr")) == 0o750 and mode(root.path("/var/lib/bigbrotr")) == 0o700
    root.run("id", "bigbrotr")


def test_the_package(home: Path) -> None:
    packages = build_packages()
    package = packages["bigbrotr"]
    look_inside(packages, home)
    if os.geteuid() != 0 or shutil.which("systemd-sysusers") is None:
        pytest.skip("built and judged; to install it in a layer of its own needs root and systemd's tools")
    root = Root(home)
    try:
        assert str(package.relative_to(ROOT)) in block("packaging/deb").replace("amd64", package.stem.split("_")[-1])
        # What takes time and is not ours: to write through to a disk, and to read every manual page again.
        root.path("/etc/dpkg/dpkg.cfg.d/quick").write_text("force-unsafe-io\n")
        root.path("/var/lib/man-db/auto-update").unlink(missing_ok=True)
        root.run("sh", "-c", "dpkg -P bigbrotr; userdel bigbrotr; rm -rf /var/lib/bigbrotr /etc/bigbrotr /run/systemd/system; true")
        before = root.ours()
        build_with_library(root, [str(packages[name]) for name in LIBRARY])
        assert root.ours() == before
        install(root, package)
        assert len(root.ours() - before) > 10
        use(root)
        upgrade_and_remove(root, newer(home))

        # Without an answer what was archived stays, and the person's own files, and the user whose they are.
        key = root.path("/etc/bigbrotr/secret_key")
        key.write_text("a secret\n")
        said = root.run("dpkg", "-P", "bigbrotr")
        assert "rm -r /var/lib/bigbrotr" in said and "rm -r /etc/bigbrotr" in said
        assert root.path("/var/lib/bigbrotr/postgres").is_dir() and key.exists()
        assert not root.path("/etc/bigbrotr/bigbrotr.ini").exists()
        root.run("id", "bigbrotr")

        # With the answer yes nothing does.
        install(root, package)
        root.path("/etc/apt/apt.conf.d/99yes").write_text('APT::Get::Assume-Yes "true";\n')
        root.run("sh", "-ec", block("debconf-set-selections"))
        assert root.ours() == before
        # And there is nothing to ask where nothing was archived.
        install(root, package)
        assert "rm -r" not in root.run("dpkg", "-P", "bigbrotr")
        assert root.ours() == before
    finally:
        root.close()


def build_with_library(root: Root, packages: list[str]) -> None:
    """As the document says: the example that comes with it, built and given an event."""
    root.run("dpkg", "-i", *packages)
    event = lzma.decompress((ROOT / "tests/data/events-real.jsonl.xz").read_bytes()).split(b"\n", 1)[0]
    root.path("/tmp/event.jsonl").write_bytes(event + b"\n")
    said = root.run("sh", "-ec", "cd /tmp\n" + "".join(line for line in block("examples/verify.c").splitlines(keepends=True) if "apt " not in line))
    assert said.startswith("npub1"), said
    root.run("dpkg", "-P", *LIBRARY)


def block(words: str) -> str:
    """The commands of the document in which these words are, as root gives them."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.M | re.S)
    found = [text for text in blocks if words in text]
    assert len(found) == 1, words
    return found[0].replace("sudo ", "")


def use(root: Root) -> None:
    """As the unit starts it, with the file as it was installed: a private PostgreSQL and the relays that are built in."""
    unit = next(path for path in ("/lib", "/usr/lib") if root.path(f"{path}/systemd/system/bigbrotr.service").exists())
    for path in re.findall(r"^\| `(/[^`]+)` \|", DOCUMENT, re.M):
        assert root.path(path).exists(), path
    start = re.search(r"^ExecStart=(.*)$", root.path(f"{unit}/systemd/system/bigbrotr.service").read_text(), re.M)
    assert start is not None
    said = root.run("setpriv", "--reuid=bigbrotr", "--regid=bigbrotr", "--clear-groups", "env", "STATE_DIRECTORY=/var/lib/bigbrotr",
                    *start[1].split(), "--init")
    assert "the archive is prepared" in said
    assert root.path("/var/lib/bigbrotr/postgres").is_dir()


def upgrade_and_remove(root: Root, package: Path) -> None:
    ini = root.path("/etc/bigbrotr/bigbrotr.ini")
    ini.write_text(ini.read_text().replace("#memory_max = 256MiB", "memory_max = 512MiB"))
    root.run("dpkg", "-i", "--force-confold", str(package))
    assert "\nmemory_max = 512MiB" in ini.read_text(), "an upgrade keeps what the person has changed"
    root.run("dpkg", "-r", "bigbrotr")
    assert ini.exists() and root.path("/var/lib/bigbrotr/postgres").is_dir(), "without a purge all of the person's stays"
    assert not root.path("/usr/sbin/bigbrotrd").exists()
