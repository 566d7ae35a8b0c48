#!/usr/bin/python3
"""Stands for a program of the documents that would change the machine, or that a test machine cannot run.

Started by the name of that program (shell.py links them into a directory that comes first in PATH).  What can be done for real is done
for real: sudo runs the rest, systemctl starts and stops the daemon of the test, bigbrotr is ours.  The rest is held against what it
is about: the package, the unit, the compose file.  What is not known here is refused.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
NAMES = ("apt", "bigbrotr", "bigbrotrd", "chown", "debconf-set-selections", "docker", "install", "meson", "npm", "pkg-config", "python3", "sudo", "systemctl",
         "systemd-sysusers", "systemd-tmpfiles")


def need(good, why):
    if not good:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {why}: {sys.argv[1:]}")


def real(name):
    """The program itself, behind our directory in PATH."""
    return shutil.which(name, path=os.environ["PATH"].split(":", 1)[1])


def ours(name, words):
    """One of our programs, as the daemon's user and with its configuration.  What asks a person gets its yes."""
    ini = os.environ["DOC_INI"]
    if name == "bigbrotrd" and not words:  # it runs already: what would it run with?
        words = ["--print-config"]
    if "-c" in words and (words[0] == "-c" or name == "bigbrotrd"):  # behind `sql` it is psql's
        words[words.index("-c") + 1] = ini
    else:
        words = ["-c", ini, *words]
    if words[2] in ("purge", "vanish"):
        words.append("--yes")
    os.execv("/usr/bin/env", ["env", *json.loads(os.environ["DOC_AS_USER"]), f"{os.environ['DOC_BUILD']}/src/{name}", *words])


def apt(words):
    version = re.search(r"version: '([^']*)'", (ROOT / "meson.build").read_text())[1]
    packages = re.findall(r"^Package: (\S+)$", (ROOT / "packaging/debian/control").read_text(), re.M)
    need(words[0] in ("install", "remove", "purge"), "what is that?")
    for word in words[1:]:
        file = re.fullmatch(rf"\./build/deb/([a-z0-9-]+)_{re.escape(version)}_[a-z0-9]+\.deb", word)
        need((file[1] if file else word) in packages, f"no package of ours: {word}")


def systemctl(words):
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(os.environ["DOC_SYSTEMD"])
        to.sendall(json.dumps(words).encode() + b"\n")
        said = to.makefile().read()
    need(said == "", said)


def docker(words):
    need(words[0] == "compose" and pathlib.Path("compose.yaml").is_file(), "only `docker compose`, where compose.yaml is")
    rest = [word for word in words[1:] if word not in ("-d", "--build", "-T")]
    if rest[0] == "exec":
        need(f"\n  {rest[1]}:\n" in pathlib.Path("compose.yaml").read_text(), "no such service")
        os.execvp(rest[2], rest[2:])
    need(rest in (["up"], ["down"]), "what is that?")


def meson(words):
    if words[0] == "test":
        listed = subprocess.run([real("meson"), "test", "-C", os.environ["DOC_BUILD"], "--no-rebuild", "--list"], capture_output=True, text=True, check=True)
        tests = set(re.findall(r"(\w+)$", listed.stdout, re.M))
        need(words[1] == "-C" and set(words[3:]) <= tests, "no such test")
        return
    asked = subprocess.run([real("meson"), words[0], "--help"], capture_output=True, text=True, check=True).stdout
    for word in words[1:]:
        need(not word.startswith("-") or word.split("=")[0] in asked, f"no such option: {word}")


def npm(words):
    need(words[:2] == ["ci", "--prefix"] and len(words) == 3, "what is that?")
    need(all(pathlib.Path(words[2], name).is_file() for name in ("package.json", "package-lock.json")), "no packages there")


def install(words):
    """Root gives what it makes to the user of the daemon under test; others keep it."""
    options = iter(words)
    kept = []
    for word in options:
        if word in ("-o", "-g"):
            need(next(options) == "bigbrotr", "another user")
        else:
            kept.append(word)
    subprocess.run([real("install"), *kept], check=True)
    if len(kept) != len(words) and os.geteuid() == 0:
        shutil.chown(kept[-1], *json.loads(os.environ["DOC_USER"]))


def main():
    name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
    if name in ("bigbrotr", "bigbrotrd"):
        ours(name, words)
    elif name == "sudo":
        os.execvp(words[2] if words[0] == "-u" else words[0], words[2:] if words[0] == "-u" else words)
    elif name == "chown":
        need(words[0] in (ROOT / "packaging/container/Containerfile").read_text(), "another user than the container's")
        need(all(pathlib.Path(word).exists() for word in words[1:]), "nothing there")
    elif name == "pkg-config":  # the library as it was built, not installed; tests/tidy/library.py is about the real answer
        need(words[-1] == "bigbrotr", "another library")
        library = f"{os.environ['DOC_BUILD']}/src/nostr"
        print(f"-I{ROOT}/include/bigbrotr -L{library} -lbigbrotr -Wl,-rpath,{library}")
    elif name == "python3":
        os.execv("/usr/bin/python3", ["python3", *words, "--collect-only"] if "pytest" in words else ["python3", *words])
    elif name == "debconf-set-selections":
        said = sys.stdin.read().split()
        need(said[0] == "bigbrotr" and f"Template: {said[1]}\n" in (ROOT / "packaging/debian/bigbrotr.templates").read_text(), "no such question")
    elif name.startswith("systemd-"):
        kind = name.removeprefix("systemd-")
        need((ROOT / f"packaging/systemd/bigbrotr.{kind}").exists() and words[-1] == "bigbrotr.conf", "no such file")
    elif name in ("run", "test", "demo", "deb"):
        # Of packaging/: it is there, it can be read by bash, and knows these words.
        script = ROOT / "packaging" / name
        need(os.access(script, os.X_OK) and subprocess.run(["bash", "-n", script], check=False).returncode == 0, "no program")
        need(all(re.search(rf"\b{re.escape(word)}\b", script.read_text()) for word in words), "does not know that")
    else:
        {"apt": apt, "systemctl": systemctl, "docker": docker, "meson": meson, "npm": npm, "install": install}[name](words)


main()
