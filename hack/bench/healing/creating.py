"""Creates runs straight at the API server, as fast as our own client can: what storing is held to.

Reads a `Task` from a file, prints "ready", begins when a line comes in, and prints when it began
and ended. Client, concurrency and number of processes are those of the receivers.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from autoglm_api import kinds, labels
from autoglm_api.healingpolicy import HealingPolicy
from autoglm_operator.clients.kube import KubeClient
from autoglm_operator.clients.lowlevel import connect
from bench.healing import alerts


@dataclass(frozen=True)
class Task:
    """What is created."""

    kubeconfig: str
    concurrency: int
    policy: alerts.Object
    """The stored policy whose runs these are."""
    pods: list[str]
    starts_at: str


@dataclass(frozen=True)
class Created:
    """What one process did; moments are of the machine's monotonic clock."""

    count: int
    begun: float
    ended: float
    cpu_seconds: float


async def create(task: Task) -> None:
    """Create every run once.

    Raises:
        ApiError: one was refused.
    """
    policy = HealingPolicy.read(task.policy)
    namespace = policy.metadata.namespace
    runs = [
        alerts.run_of(policy, alerts.alert(namespace, pod, task.starts_at)) for pod in task.pods
    ]
    api = await connect(Path(task.kubeconfig), user_agent="bench", concurrency=task.concurrency)
    kube = KubeClient(api, concurrency=task.concurrency)
    await kube.get(kinds.NAMESPACE, None, namespace)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    begun, cpu, todo = time.monotonic(), time.process_time(), iter(runs)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(task.concurrency):
            tasks.create_task(_work(kube, todo))
    created = Created(len(runs), begun, time.monotonic(), time.process_time() - cpu)
    await kube.close()
    print(json.dumps(asdict(created)), flush=True)


async def _work(kube: KubeClient, todo: Iterator[alerts.Object]) -> None:
    for run in todo:
        await kube.create(run, manager=labels.RECEIVER)


if __name__ == "__main__":
    asyncio.run(create(Task(**json.loads(Path(sys.argv[1]).read_text()))))
