"""Servers that are not ours: PostgreSQL and PgBouncer as a person would run them, a relay on @nostr-relay/core, a SOCKS5 proxy."""
from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from .farm import SUPPORT
from .process import as_unprivileged, give, until

ROOT = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def postgres_bin() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    where = shutil.which("initdb")
    assert where, "PostgreSQL is not installed"
    return Path(where).parent


class Node:
    """A script of tests/support that prints one line of JSON when ready and ends with its standard input."""

    def __init__(self, env: dict[str, str], log: Path, script: str, *words: str):
        self.log = log
        self.process = subprocess.Popen(["node", str(SUPPORT / script), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=log.open("wb"), env=env, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{script} does not start (is `npm ci` done in tests/support?): {log.read_text()}"
        self.ready: dict[str, Any] = json.loads(line)

    def stop(self) -> None:
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(5)


def node_tool(script: str, *words: str, data: str | None = None) -> str:
    """A script of tests/support to its end; its output."""
    done = subprocess.run(["node", str(SUPPORT / script), *words], input=data, text=True, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, f"{script}: {done.stderr[-2000:]}{done.stdout[-500:]}"
    return done.stdout


class Postgres:
    """A server of the person's own: TCP on 127.0.0.1 with password and TLS (certificate for localhost), socket for us."""

    password = "a secret, 'quoted'"

    def __init__(self, home: Path, env: dict[str, str]):
        self.home, self.env, self.bin = home / "postgres-server", env, postgres_bin()
        self.port = free_port()
        self.data = self.home / "data"
        self.home.mkdir()
        give(self.home)
        self._as([str(self.bin / "initdb"), "-D", str(self.data), "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256",
                  "--no-sync", "-E", "UTF8", "--locale=C"])
        self.ca = self._certificate()
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.home}'\nssl = on\n"
                       f"ssl_cert_file = '{self.home}/server.pem'\nssl_key_file = '{self.home}/server.key'\nfsync = off\n")
        (self.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        self.process: subprocess.Popen[bytes] | None = None
        self.start()
        self.sql("CREATE ROLE archivist LOGIN PASSWORD $$" + self.password + "$$", "postgres")
        self.sql("CREATE DATABASE archive OWNER archivist", "postgres")

    def _as(self, command: list[str]) -> None:
        done = subprocess.run(as_unprivileged(command), env=self.env, cwd=self.home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _certificate(self) -> Path:
        run = lambda *words: subprocess.run(["openssl", *words], cwd=self.home, check=True, capture_output=True)  # noqa: E731
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=database authority", "-days", "30")
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=localhost")
        (self.home / "server.ext").write_text("subjectAltName=DNS:localhost\n")
        run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-out", "server.pem",
            "-extfile", "server.ext")
        for name in ("server.key", "server.pem"):
            give(self.home / name)
        (self.home / "server.key").chmod(0o600)
        return self.home / "ca.pem"

    def start(self) -> None:
        log = (self.home / "log").open("ab")
        self.process = subprocess.Popen(as_unprivileged([str(self.bin / "postgres"), "-D", str(self.data)]), env=self.env, stdout=log,
                                        stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        until(self.answers, 20, "the server answers")

    def answers(self) -> bool:
        done = subprocess.run([str(self.bin / "pg_isready"), "-q", "-h", str(self.home), "-p", str(self.port)], env=self.env, check=False)
        return done.returncode == 0

    def stop(self, sign: int = signal.SIGQUIT) -> None:
        if self.process is not None:
            self.process.send_signal(sign)
            self.process.wait(20)
            self.process = None

    def sql(self, text: str, database: str = "archive") -> None:
        import psycopg2

        connection = psycopg2.connect(host=str(self.home), port=self.port, dbname=database, user="postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(text)
        connection.close()

    @property
    def local_url(self) -> str:
        """For the tests themselves."""
        return f"host={self.home} port={self.port} dbname=archive user=archivist"


class PgBouncer:
    """The example that is shipped, with other paths and ports, and stricter: sessions forget everything between transactions."""

    def __init__(self, home: Path, env: dict[str, str], server: Postgres):
        self.home = home / "pgbouncer"
        self.home.mkdir()
        self.port = free_port()
        password = server.password.replace('"', '""')
        (self.home / "userlist.txt").write_text(f'"archivist" "{password}"\n')
        text = (ROOT / "etc" / "pgbouncer.ini").read_text()
        for here, there in (("host=127.0.0.1 port=5432", f"host={server.home} port={server.port}"),
                            ("listen_port = 6432", f"listen_port = {self.port}"), ("/etc/pgbouncer", str(self.home))):
            assert text.count(f"{here}") == 1, here
            text = text.replace(here, there)
        (self.home / "pgbouncer.ini").write_text(f"{text}\nserver_reset_query_always = 1\nserver_reset_query = DISCARD ALL\n")
        give(self.home)
        log = (self.home / "log").open("wb")
        program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
        assert program, "pgbouncer is not installed"
        self.process = subprocess.Popen(as_unprivileged([program, str(self.home / "pgbouncer.ini")]), env=env, stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL)
        until(self.listens, 10, "pgbouncer listens")

    def listens(self) -> bool:
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


__all__ = ["Node", "Postgres", "PgBouncer", "free_port", "node_tool"]
