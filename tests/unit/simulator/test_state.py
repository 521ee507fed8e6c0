"""What a simulator remembers."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from autoglm_api.settings import SettingsError
from autoglm_dataplane.simulator.faults import StandingFault
from autoglm_dataplane.simulator.ledger import MOST_IDS, Ledger
from autoglm_dataplane.simulator.settings import SimulatorSettings
from autoglm_dataplane.simulator.state import Script, Simulation, remembered


def a_simulation(**settings: object) -> Simulation:
    said = SimulatorSettings.model_validate({"pod_name": "double-1"} | settings)
    return Simulation(said, CollectorRegistry())


def test_a_fault_is_used_up() -> None:
    simulation = a_simulation()
    simulation.set_fault(StandingFault(status=500, times=2))
    taken = [simulation.take_fault(models=False) is not None for _ in range(3)]
    assert taken == [True, True, False]


def test_health_checks_take_a_fault_only_if_it_says_so() -> None:
    simulation = a_simulation()
    simulation.set_fault(StandingFault(status=500))
    assert simulation.take_fault(models=True) is None
    simulation.set_fault(StandingFault(status=500, models=True))
    assert simulation.take_fault(models=True) is not None


def test_a_fault_outlives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    fault = StandingFault(status=503, times=3)
    a_simulation(faults_file=file).set_fault(fault)
    assert remembered(file) == fault
    a_simulation(faults_file=file).set_fault(None)
    assert remembered(file) is None


def test_a_file_that_holds_no_fault_ends_the_start(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    for text in ("{", '{"status": 1}', "7"):
        file.write_text(text)
        with pytest.raises(SettingsError, match="delete it"):
            remembered(file)


def test_a_scripted_answer_is_used_up() -> None:
    simulation = a_simulation()
    simulation.scripts.append(Script(contains="Rome", content="By train.", times=1))
    assert simulation.take_script("to Paris") is None
    assert simulation.take_script("to Rome") == "By train."
    assert simulation.take_script("to Rome") is None


def test_requests_are_counted_by_id_and_by_end() -> None:
    ledger = Ledger()
    for request_id in ("a", "b", "a", ""):
        ledger.arrived(request_id)
    for outcome in ("200", "cut", "200"):
        ledger.ended(outcome)
    assert ledger.as_json() == {
        "total": 4,
        "in_flight": 1,
        "by_status": {"200": 2, "cut": 1},
        "requests": {"a": 2, "b": 1},
    }


def test_the_oldest_ids_are_forgotten() -> None:
    ledger = Ledger()
    ledger.by_id.update(dict.fromkeys(map(str, range(MOST_IDS)), 1))
    ledger.arrived("new")
    assert "0" not in ledger.by_id
    assert "new" in ledger.by_id


def test_settings_refuse_half_a_certificate_and_no_model(tmp_path: Path) -> None:
    for settings in ({"tls_cert_file": tmp_path}, {"models": ()}):
        with pytest.raises(ValueError, match=r"AUTOGLM_TLS_KEY_FILE|at least one model"):
            SimulatorSettings.model_validate(settings)
