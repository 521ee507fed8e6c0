"""Fixtures of tests of planner, executor and the real task store."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

import images
from buildcache.failures import BuildError
from taskstack import Stack, runs_apart


@pytest.fixture(scope="session")
def valkey_root() -> Path:
    """Root file system of the Valkey image that we ship."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("Valkey is run in a mount namespace: that needs root and unshare.")
    try:
        return images.ensure(["valkey"])["valkey"].rootfs
    except BuildError as error:
        pytest.skip(f"The Valkey image cannot be built here: {error}")


@pytest.fixture(scope="module")
def shared_stack(valkey_root: Path) -> Generator[Stack]:
    """Two planners and three executors for tests that kill none of them."""
    with runs_apart(valkey_root, planners=2, executors=3, AUTOGLM_MAX_BODY_BYTES="8192") as stack:
        yield stack


@pytest.fixture
async def stack(shared_stack: Stack) -> Stack:
    """The shared stack, with a model that behaves and remembers nothing."""
    await shared_stack.forget()
    return shared_stack
