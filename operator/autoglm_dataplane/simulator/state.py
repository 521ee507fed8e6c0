"""What a simulator remembers: counts, standing faults and scripted answers.

Standing faults can outlive a restart in a file. It never answers a request.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, ConfigDict, ValidationError

from autoglm_api import metrics
from autoglm_api.settings import SettingsError
from autoglm_dataplane.simulator.faults import FaultError, StandingFault, standing
from autoglm_dataplane.simulator.ledger import Ledger
from autoglm_dataplane.simulator.settings import SimulatorSettings


class Script(BaseModel):
    """An answer that a test wants to hear."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    contains: str
    """Text that the last user message, or the instructions, must contain."""
    content: str
    """What is answered then."""
    times: int | None = None
    """How often; absent means always."""


@dataclass(slots=True)
class Simulation:
    """One running simulator."""

    settings: SimulatorSettings
    registry: CollectorRegistry
    api_key: str | None = None
    ledger: Ledger = field(default_factory=Ledger)
    fault: StandingFault | None = None
    scripts: list[Script] = field(default_factory=list[Script])
    answered: Counter = field(init=False)

    def __post_init__(self) -> None:
        known = metrics.SIMULATED_REQUESTS
        self.answered = Counter(known.name, known.help, known.labels, registry=self.registry)

    @property
    def name(self) -> str:
        """How replies name this simulator."""
        return self.settings.pod_name or "simulator"

    def set_fault(self, fault: StandingFault | None) -> None:
        """Let a fault stand, or take it back; a restart remembers."""
        self.fault = fault
        path = self.settings.faults_file
        if path is not None:
            path.write_text(json.dumps(fault and fault.model_dump(mode="json", exclude_none=True)))

    def take_fault(self, *, models: bool) -> StandingFault | None:
        """The fault that stands for one request; counts it as used."""
        fault = self.fault
        if fault is None or (models and not fault.models) or not fault.concerns(self.name):
            return None
        if fault.times is not None:
            left = fault.times - 1
            self.set_fault(fault.model_copy(update={"times": left}) if left else None)
        return fault

    def take_script(self, texts: str) -> str | None:
        """The answer that is scripted for these texts; counts it as used."""
        for place, script in enumerate(self.scripts):
            if script.contains in texts:
                left = None if script.times is None else script.times - 1
                if left == 0:
                    del self.scripts[place]
                else:
                    self.scripts[place] = script.model_copy(update={"times": left})
                return script.content
        return None


def remembered(path: Path | None) -> StandingFault | None:
    """The fault that an earlier process left.

    Raises:
        SettingsError: the file does not hold one.
    """
    if path is None or not path.exists():
        return None
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return None if body is None else standing(body)
    except (OSError, ValueError, FaultError) as error:
        raise SettingsError(
            f"AUTOGLM_FAULTS_FILE names {path}, which holds no fault ({error}); delete it."
        ) from error


def script_of(body: object) -> Script:
    """Read a script.

    Raises:
        FaultError: a field is missing, unknown or has a bad value.
    """
    try:
        return Script.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise FaultError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
