"""The relay farm as the tests see it: start it, make relays, read what it saw.  What a profile may say: tests/support/farm/relay.js."""
from __future__ import annotations

import http.client
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .process import until

SUPPORT = Path(__file__).resolve().parents[2] / "support"


@dataclass(eq=False)
class Relay:
    farm: "Farm"
    n: int
    url: str
    wss: str
    host: str
    address: str
    path: str = ""
    seed: int = -1
    habits: list[str] = field(default_factory=list)
    tame: bool = True
    whole: bool = True
    cap: int = 0
    order: str = "newest"
    hidden_kinds: list[int] = field(default_factory=list)

    def _at(self, action: str = "") -> str:
        return f"/relays/{self.n}{action}?path={self.path}"

    def servable(self) -> list[tuple[str, int, int, int]]:
        """What a patient plain client gets: (id, created_at, kind, inserted_at_ms or 0)."""
        return [tuple(e) for e in self.farm.get(self._at("/servable"))]

    def ids(self) -> set[str]:
        """Everything it holds, hidden or not."""
        return set(self.farm.get(self._at("/ids")))

    def record(self) -> dict[str, Any]:
        return self.farm.get(self._at())

    def host_record(self) -> dict[str, Any]:
        return self.farm.get(f"/hosts/{self.n}")

    def change(self, **quirks: Any) -> None:
        self.farm.call("PATCH", self._at(), quirks)

    def publish(self, **source: Any) -> list[str]:
        """New events by mint={..}, file=.. or lines=[..]: stored and pushed.  Returns their ids."""
        return self.farm.call("POST", self._at("/events"), source)["ids"]

    def kick(self, how: str = "reset") -> None:
        self.farm.call("POST", self._at("/kick"), {"how": how})

    def __str__(self) -> str:
        seed = f"seed {self.seed} " if self.seed >= 0 else ""
        return f"{seed}relay {self.n} {self.url} {' '.join(self.habits)} cap={self.cap} order={self.order} hidden={self.hidden_kinds}"


class Farm:
    """One process with all relays.  `data` keeps what is dear to make (events, certificates) for later farms."""

    def __init__(self, data: Path, mint: Path, env: dict[str, str], log: Path):
        self.log = log
        self.process = subprocess.Popen(
            ["node", str(SUPPORT / "farm" / "farm.js"), "--dir", str(data), "--mint", str(mint)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log.open("wb"), env=env, text=True, start_new_session=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the farm does not start: {log.read_text()}"
        self.ready: dict[str, Any] = json.loads(line)
        self.ca = Path(self.ready["ca"])
        self.next_n = 1

    def call(self, method: str, path: str, body: Any = None) -> Any:
        assert self.process.poll() is None, f"the farm has died: {self.log.read_text()}"
        connection = http.client.HTTPConnection("127.0.0.1", self.ready["control"], timeout=300)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            result = json.loads(response.read())
        finally:
            connection.close()
        assert response.status == 200, f"{method} {path}: {result.get('error')}"
        return result

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def add(self, *profiles: dict[str, Any]) -> list[Relay]:
        """Makes relays; a profile without `n` gets the next number, an address of its own."""
        numbered = []
        for profile in profiles:
            if "n" not in profile:
                profile = {"n": self.next_n, **profile}
                self.next_n += 1
            numbered.append(profile)
        made = self.call("POST", "/relays", numbered)
        return [self._relay({**m, **{k: p[k] for k in ("cap", "order", "hidden_kinds") if k in p}}) for m, p in zip(made, numbered)]

    def seeds(self, seeds: list[int]) -> list[Relay]:
        base, self.next_n = self.next_n, self.next_n + len(seeds)
        return [self._relay(m) for m in self.call("POST", "/seeds", {"seeds": seeds, "base": base})]

    def _relay(self, made: dict[str, Any]) -> Relay:
        return Relay(farm=self, **made)

    def totals(self) -> dict[str, Any]:
        return self.get("/totals")

    def clear(self) -> None:
        self.call("POST", "/clear", {})

    def mint(self, **options: Any) -> Path:
        return Path(self.call("POST", "/mint", options)["file"])

    def dns(self, entries: dict[str, dict[str, Any]]) -> None:
        self.call("POST", "/dns", entries)

    def questions(self) -> list[dict[str, Any]]:
        return self.get("/dns")["questions"]

    def wait_quiet(self, seconds: float = 1.0, timeout: float = 60) -> None:
        """Until no request has come for so long."""
        def quiet() -> bool:
            totals = self.totals()
            return totals["requests_total"] > 0 and totals["now"] - totals["last_request_at"] > seconds * 1000
        until(quiet, timeout, "the farm is quiet")

    def stop(self) -> None:
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
