"""`autoglm simulator`: starts the model double.

It only wires; settings, answers and faults live in their own modules.
"""

import sys

import uvicorn

from autoglm_dataplane.serving import server
from autoglm_dataplane.serving.probes import new_registry
from autoglm_dataplane.serving.settings import read_secret
from autoglm_dataplane.simulator import app
from autoglm_dataplane.simulator.hanging_up import HangUpProtocol
from autoglm_dataplane.simulator.settings import SimulatorSettings
from autoglm_dataplane.simulator.state import Simulation, remembered


def build(settings: SimulatorSettings) -> uvicorn.Server:
    """A server with its simulation.

    Raises:
        SettingsError: the key file or the faults file cannot be used.
    """
    key_file = settings.api_key_file
    simulation = Simulation(
        settings=settings,
        registry=new_registry(),
        api_key=None if key_file is None else read_secret(key_file, "AUTOGLM_API_KEY_FILE"),
        fault=remembered(settings.faults_file),
    )
    return server.server_of(
        app.build(simulation),
        settings,
        protocol=HangUpProtocol,
        certificate=settings.tls_cert_file,
        private_key=settings.tls_key_file,
    )


def main() -> int:
    """Run until SIGTERM; returns the exit code."""
    return server.run(SimulatorSettings, build)


if __name__ == "__main__":
    sys.exit(main())
