"""The container as far as it can be judged without a container engine: what it copies and sets exists, what it promises stands
there, and its health check knows a daemon that lives from one that does not."""
from __future__ import annotations

import re
import shlex
import subprocess
from typing import Any

import pytest

from conftest import ROOT, World
from world.daemon import find_program
from world.process import give, until
from world.servers import free_port

yaml = pytest.importorskip("yaml")
HERE = ROOT / "packaging" / "container"


def instructions() -> list[tuple[str, list[str]]]:
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", (HERE / "Containerfile").read_text(), flags=re.M))
    return [(name, shlex.split(rest, comments=False)) for name, rest in re.findall(r"^([A-Z]+) (.*)$", text, re.M)]


def service() -> dict[str, Any]:
    return compose()["services"]["bigbrotr"]


def compose() -> dict[str, Any]:
    return yaml.safe_load((HERE / "compose.yaml").read_text())


def values(name: str) -> list[list[str]]:
    return [words for instruction, words in instructions() if instruction == name]


def test_the_image() -> None:
    assert {name for name, _ in instructions()} <= {"FROM", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD"}
    for words in values("COPY"):
        if not words[0].startswith("--from"):
            assert (ROOT / words[0]).exists(), words
    assert all(re.fullmatch(r"debian:[a-z]+-slim", words[0]) for words in values("FROM"))
    user = values("USER")[-1][0]
    number = re.fullmatch(r"([1-9]\d{3,}):\1", user)
    assert number, user
    made = " ".join(values("RUN")[-1])
    assert f"groupadd --gid {number[1]} bigbrotr" in made and f"useradd --uid {number[1]} " in made
    assert number[1] in (HERE / "README.md").read_text()
    assert values("STOPSIGNAL") == [["SIGTERM"]]
    script = re.search(r'CMD \["([^"]+)"\]', (HERE / "Containerfile").read_text().split("HEALTHCHECK", 1)[1])
    assert script and [str(script[1])] == [words[1] for words in values("COPY") if words[0].endswith("/health")]
    assert (HERE / "health").stat().st_mode & 0o111


def test_the_service() -> None:
    it = service()
    context = (HERE / it["build"]["context"]).resolve()
    assert context == ROOT and (context / it["build"]["dockerfile"]).is_file()
    assert it["stop_grace_period"] == "15s" and it["read_only"] is True and it["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in it["security_opt"] and it["mem_limit"] and it["pids_limit"] and it["cpus"]
    assert it["healthcheck"]["test"] == ["CMD", "/usr/local/bin/health"]
    assert [port for port in it["ports"] if not port.startswith("127.0.0.1:")] == []
    assert {volume.split(":")[1] for volume in it["volumes"]} == {values("VOLUME")[0][0]}
    assert set(it["secrets"]) == set(compose()["secrets"])
    for name, place in compose()["secrets"].items():
        assert place["file"] == f"./secrets/{name}"
    # No secret in a variable, and every file that one names is a secret of the service.
    for variable, value in it["environment"].items():
        assert not re.search(r"_(PASSWORD|SECRET_KEY|TOKEN)$", variable), variable
        if variable.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in it["secrets"], variable


def test_its_configuration_is_valid(world: World) -> None:
    """What the comments offer is tried, too."""
    text = (HERE / "compose.yaml").read_text()
    given = dict(re.findall(r"^ +(?:# )?(BIGBROTR_\w+): (\S+)$", text, re.M)) | dict(words[0].split("=", 1) for words in values("ENV"))
    assert len(given) >= 5
    secret = world.home / "secret"
    secret.write_text("1" * 64 + "\n")
    secret.chmod(0o600)
    give(secret)
    env = {k: v for k, v in world.env.items() if not k.startswith("BIGBROTR_")} | {
        k: str(secret) if k.endswith("_FILE") else v for k, v in given.items()}
    command = [str(find_program(world.build, "bigbrotrd")), "--check-config"]
    for wrong, code in (({}, 0), ({"BIGBROTR_DAEMON_NO_SUCH_KEY": "1"}, 2), ({"BIGBROTR_HTTP_TOKEN_FILE": ""}, 2)):
        done = subprocess.run(command, env=env | wrong, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == code, done.stderr
    for variable in re.findall(r"`(BIGBROTR_[A-Z_]+)`", (HERE / "README.md").read_text()):
        name = variable.removeprefix("BIGBROTR_").lower().split("_", 1)
        example = subprocess.run([command[0], "--example"], capture_output=True, text=True, check=True).stdout
        assert re.search(rf"^\[{name[0]}\]\n(?:[^\[].*\n|\n)*?#{name[1]} =", example, re.M), variable


def healthy(port: int) -> bool:
    return subprocess.run([str(HERE / "health"), str(port)], capture_output=True, timeout=10, check=False).returncode == 0


def test_the_health_check(world: World) -> None:
    port = free_port()
    daemon = world.daemon()
    daemon.set("http", health_listen=f"127.0.0.1:{port}")
    assert not healthy(port)
    daemon.start()
    until(lambda: healthy(port), 10, "a living daemon is healthy", daemon.alive)
    daemon.stop()
    assert not healthy(port)
