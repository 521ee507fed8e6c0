"""Plays Alertmanagers in a process of its own: delivers groups, and repeats as Alertmanager does.

Reads a `Load` from a file, prints "ready", begins when a line comes in, and prints one line for
each delivery. Never drops a delivery before its patience is over.

Source: Alertmanager's notify package: each group is sent on its own, 5xx and broken connections are
repeated after 0.5 s x 1.5^n, shortened or prolonged by half at random, at most a minute.
"""

import asyncio
import json
import random
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import aiohttp

from bench.healing import alerts

FIRST_PAUSE_SECONDS: Final = 0.5
PAUSE_FACTOR: Final = 1.5
PAUSE_JITTER: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 300.0
"""How long one delivery is repeated. Source: Alertmanager's default group_interval, after which it
begins anew."""


@dataclass(frozen=True)
class Load:
    """What is sent."""

    ports: list[int]
    """Of the receivers; every attempt goes to the next, as through a Service."""
    authority: str
    """File with the receivers' authority."""
    token: str
    namespace: str
    pods: list[str]
    """What the alerts are about."""
    starts_at: str
    per_delivery: int
    alerts_per_second: float = 0.0
    """0 to send all deliveries at once, as Alertmanager does."""


@dataclass(frozen=True)
class Sent:
    """One delivery; moments are of the machine's monotonic clock."""

    pods: list[str]
    begun: float
    ended: float
    status: int
    """Of the last answer; 0 if none came."""
    attempts: int

    @property
    def acknowledged(self) -> bool:
        """Whether the receiver took it."""
        return 200 <= self.status < 300  # noqa: PLR2004 - success of HTTP


async def send(load: Load) -> None:
    """Deliver everything."""
    rng = random.Random(0)  # noqa: S311 - jitter, the same in every run
    groups = [
        (
            list(names),
            json.dumps(
                alerts.group(
                    [alerts.alert(load.namespace, name, load.starts_at) for name in names], number
                )
            ).encode(),
        )
        for number, names in enumerate(alerts.portions(load.pods, load.per_delivery))
    ]
    trust = ssl.create_default_context(cafile=load.authority)
    headers = {"Authorization": f"Bearer {load.token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust, limit=0),
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
    ) as session:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number, (names, body) in enumerate(groups):
                if load.alerts_per_second:
                    due = begun + number * load.per_delivery / load.alerts_per_second
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                tasks.create_task(_deliver(session, load, number, names, body, rng))


async def _deliver(
    session: aiohttp.ClientSession,
    load: Load,
    number: int,
    names: list[str],
    body: bytes,
    rng: random.Random,
) -> None:
    begun, attempts = time.monotonic(), 0
    while True:
        port = load.ports[(number + attempts) % len(load.ports)]
        attempts += 1
        status = await _post(session, f"https://localhost:{port}/v1/alertmanager", body)
        now = time.monotonic()
        if 0 < status < 500 or now - begun > PATIENCE_SECONDS:  # noqa: PLR2004 - 5xx of HTTP
            print(json.dumps(asdict(Sent(names, begun, now, status, attempts))), flush=True)
            return
        await asyncio.sleep(pause(attempts, rng.random()))


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> int:
    try:
        async with session.post(url, data=body) as answer:
            await answer.read()
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return 0


def pause(attempts: int, luck: float) -> float:
    """Seconds after so many attempts; luck from 0 to 1 spreads them."""
    full = min(FIRST_PAUSE_SECONDS * PAUSE_FACTOR ** (attempts - 1), LONGEST_PAUSE_SECONDS)
    return full * (1 + PAUSE_JITTER * (2 * luck - 1))


if __name__ == "__main__":
    asyncio.run(send(Load(**json.loads(Path(sys.argv[1]).read_text()))))
