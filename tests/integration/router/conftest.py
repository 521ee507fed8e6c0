"""Fixtures of tests of the router with the real HAProxy."""

import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

import images
from buildcache.failures import BuildError
from router_pods import Pod, running


@pytest.fixture(scope="session")
def haproxy_root() -> Path:
    """Root file system of the HAProxy image that we ship."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("HAProxy is run in a mount namespace: that needs root and unshare.")
    try:
        return images.ensure(["haproxy"])["haproxy"].rootfs
    except BuildError as error:
        pytest.skip(f"The HAProxy image cannot be built here: {error}")


@pytest.fixture
async def pod(haproxy_root: Path) -> AsyncGenerator[Pod]:
    """A router pod with no routing table yet."""
    async with running(haproxy_root) as pod:
        yield pod
