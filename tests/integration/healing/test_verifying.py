"""A real Prometheus decides whether an action helped: only data that is there and good counts."""

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

import prometheuses
from client_certificates import replace
from healing_objects import SOON, MakeProcess, Scene
from healing_processes import HealingProcess, running
from kubeconfig import Object
from prometheuses import Prometheus
from timeline import within

QUICKLY = within(15)
"""How soon a policy that cannot be used must say so."""
POD: Object = {"action": "Restart", "restart": {"scope": "Pod"}}
WORKLOAD: Object = {"action": "Restart", "restart": {"scope": "Workload"}}
RATIO: Object = {"name": "error-ratio", "thresholdRange": {"max": 0.05}}
CATALOGUE = {
    "error-ratio": 'sum(errors{namespace="$namespace"}) / sum(tasks{namespace="$namespace"})',
    "each": 'errors{namespace="$namespace"}',
    "broken": "sum(errors{",
    "half": 'label_replace(up, "a", "b", "c", "(")',
}


@dataclass
class Watch:
    """A Prometheus, the admin's catalogue, and the metrics of the test's namespace."""

    prometheus: Prometheus
    catalogue: Path
    namespace: str

    def edit(self, name: str, query: str) -> None:
        """Change the catalogue as kubelet does when its ConfigMap changes."""
        replace(self.catalogue / name, query.encode())

    def say(self, errors: float | str, *, executor: str = "a") -> None:
        """Let 100 tasks have so many errors."""
        self.prometheus.scraped.say(self._series("tasks", executor), 100)
        self.prometheus.scraped.say(self._series("errors", executor), errors)

    def forget(self) -> None:
        """Let the errors be counted no more."""
        self.prometheus.scraped.forget(self._series("errors", "a"))

    def _series(self, name: str, executor: str) -> str:
        return f'{name}{{namespace="{self.namespace}",executor="{executor}"}}'


@pytest.fixture
def watch(tmp_path: Path, namespace: str) -> Generator[Watch]:
    """A running Prometheus and a catalogue of three queries, one of which cannot be parsed."""
    catalogue = tmp_path / "queries"
    catalogue.mkdir()
    with prometheuses.running(tmp_path) as prometheus:
        found = Watch(prometheus, catalogue, namespace)
        for name, query in CATALOGUE.items():
            found.edit(name, query)
        yield found


@pytest.fixture
def watching(make_process: MakeProcess, watch: Watch) -> Generator[HealingProcess]:
    """A healer that asks it; the test's namespace is not trusted."""
    with running(make_process("healer", **told(watch))) as process:
        yield process


def told(watch: Watch) -> dict[str, str]:
    """The settings of such a healer."""
    return {"prometheus_url": watch.prometheus.url, "queries_directory": str(watch.catalogue)}


def verify(*metrics: Object, timeout: str = "12s") -> Object:
    """The verification of a policy."""
    return {"stabilization": "2s", "timeout": timeout, "metrics": list(metrics)}


def accepted(scene: Scene) -> tuple[str, str, str]:
    """Status, reason and message of the policy's condition Accepted."""
    found = scene.policy().get("status", {}).get("conditions", ())
    return next(
        ((c["status"], c["reason"], c["message"]) for c in found if c["type"] == "Accepted"),
        ("", "", ""),
    )


def edit(scene: Scene, **spec: object) -> None:
    """Change the live policy."""
    scene.kube.patch("HealingPolicy", "crash", scene.namespace, {"spec": spec})


def readings(step: Object) -> list[Object]:
    """What a step's record says of the metrics."""
    found: list[Object] = step["after"]["metrics"]
    return found


@pytest.mark.usefixtures("watching")
def test_a_target_is_healed_once_its_pods_and_its_metric_are_good(
    scene: Scene, watch: Watch
) -> None:
    watch.say(errors=40)
    policy = scene.make_policy(verify=verify(RATIO, timeout="2m"))
    run = scene.start_run(policy, scene.pods.sicken())
    scene.timeline.want(SOON, "the pods are well again", lambda: bool(scene.evicted()))
    scene.timeline.want(SOON, "both pods are ready", scene.all_ready)
    scene.timeline.stays(6, "that is not enough", lambda: scene.phase(run) != "Succeeded")

    watch.say(errors=3)

    scene.wants_phase(run, "Succeeded")
    (step,) = scene.run(run)["status"]["steps"]
    assert readings(step) == [{"name": "error-ratio", "value": "0.03", "good": True}]
    assert scene.evicted().total() == 1


@pytest.mark.usefixtures("watching")
def test_a_metric_that_stays_bad_leads_to_the_next_step(scene: Scene, watch: Watch) -> None:
    watch.say(errors=40)
    run = scene.start_run(
        scene.make_policy(ladder=[POD, WORKLOAD], verify=verify(RATIO)), scene.pods.sicken()
    )
    scene.timeline.want(SOON, "the workload is rolled over", lambda: scene.revisions() == 2)

    watch.say(errors=0)

    scene.wants_phase(run, "Succeeded")
    first, second = scene.run(run)["status"]["steps"]
    assert (first["helped"], second["helped"]) == (False, True)
    assert readings(first) == [{"name": "error-ratio", "value": "0.4", "good": False}]


@pytest.mark.usefixtures("watching")
def test_every_sample_must_be_good(scene: Scene, watch: Watch) -> None:
    watch.say(errors=0)
    watch.say(errors=9, executor="b")
    each: Object = {"name": "each", "thresholdRange": {"min": 0, "max": 5}}
    run = scene.start_run(scene.make_policy(verify=verify(each)), scene.pods.sicken())

    scene.wants_phase(run, "Escalated")
    (step,) = scene.run(run)["status"]["steps"]
    assert readings(step) == [{"name": "each", "value": "9", "good": False}]
    assert scene.reason(run, "Verified") == "VerificationTimedOut"


LOSSES: dict[str, Callable[[Watch], object]] = {
    "the series ended": lambda watch: watch.forget(),
    "no number": lambda watch: watch.say("NaN"),
    "no series": lambda watch: watch.edit("error-ratio", "absent_metric"),
    "an empty query": lambda watch: watch.edit("error-ratio", ""),
    "gone from the catalogue": lambda watch: (watch.catalogue / "error-ratio").unlink(),
    "Prometheus is down": lambda watch: watch.prometheus.kill(),
    "Prometheus hangs": lambda watch: watch.prometheus.freeze(),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
@pytest.mark.usefixtures("watching")
def test_missing_data_is_never_success(
    scene: Scene, watch: Watch, lose: Callable[[Watch], object]
) -> None:
    """The metric was good until the action, and nobody knows what it is after it."""
    watch.say(errors=0)
    policy = scene.make_policy(verify=verify(RATIO))
    scene.wants_accepted()
    # The action is taken at once, and counts as helpful two good seconds later at the earliest.
    run = scene.start_run(policy, scene.pods.sicken())
    scene.timeline.want(SOON, "a step has begun", lambda: _begun(scene, run))

    lose(watch)

    scene.wants_phase(run, "Escalated")
    (step,) = scene.run(run)["status"]["steps"]
    assert step["helped"] is False
    assert readings(step)[0]["good"] is False
    assert scene.all_ready(), "only the metric was missing"


def _begun(scene: Scene, run: str) -> bool:
    return bool(scene.run(run).get("status", {}).get("steps"))


def test_nothing_is_begun_while_it_is_unknown_whether_a_query_can_be_asked(
    scene: Scene, watch: Watch, make_process: MakeProcess
) -> None:
    watch.prometheus.kill()
    with running(make_process("healer", **told(watch))):
        run = scene.start_run(scene.make_policy(verify=verify(RATIO)), scene.pods.sicken())
        scene.timeline.want(
            QUICKLY, "the policy says why", lambda: accepted(scene)[1] == "PrometheusUnavailable"
        )
        assert accepted(scene)[0] == "Unknown"
        scene.wants_reason(run, "PrometheusUnavailable")
        assert scene.evicted() == Counter()

        watch.prometheus.start()
        watch.say(errors=0)

        scene.wants_phase(run, "Succeeded")


def test_without_any_prometheus_a_policy_with_metrics_is_not_accepted(
    scene: Scene, watch: Watch, make_process: MakeProcess
) -> None:
    with running(make_process("healer", queries_directory=str(watch.catalogue))):
        run = scene.start_run(scene.make_policy(verify=verify(RATIO)), scene.pods.sicken())
        scene.timeline.want(
            QUICKLY,
            "the policy says why",
            lambda: accepted(scene)[:2] == ("False", "PrometheusMissing"),
        )
        scene.wants_reason(run, "PrometheusMissing")
        assert scene.evicted() == Counter()


@pytest.mark.parametrize(
    ("spec", "reason", "said"),
    [
        pytest.param(
            {"verify": verify({"name": "nonsense", "thresholdRange": {"max": 1}})},
            "QueryUnknown",
            "choose one of broken, each, error-ratio, half",
            id="a name that the catalogue lacks",
        ),
        pytest.param(
            {"verify": verify({"name": "broken", "thresholdRange": {"max": 1}})},
            "QueryInvalid",
            "parse error",
            id="PromQL that does not parse",
        ),
        pytest.param(
            {"verify": verify({"name": "half", "thresholdRange": {"max": 1}})},
            "QueryInvalid",
            "invalid regular expression",
            id="PromQL that cannot be evaluated",
        ),
        pytest.param(
            {"verify": verify({"query": "vector(1)", "thresholdRange": {"max": 1}})},
            "QueryNotAllowed",
            "trustedNamespaces",
            id="a query of its own",
        ),
        pytest.param(
            {"guards": {"windows": [{"schedule": "61 * * * *", "duration": "1h"}]}},
            "ScheduleInvalid",
            "write five fields",
            id="a schedule that does not parse",
        ),
        pytest.param(
            {
                "guards": {
                    "windows": [
                        {"schedule": "0 8 * * *", "duration": "1h", "timeZone": "Mars/Olympus"}
                    ]
                }
            },
            "TimeZoneInvalid",
            "Mars/Olympus",
            id="a zone that nobody knows",
        ),
    ],
)
def test_what_does_not_parse_is_not_accepted_and_never_acts_until_it_is_edited(
    scene: Scene, watching: HealingProcess, spec: Object, reason: str, said: str
) -> None:
    scene.timeline.want(SOON, "the healer works", watching.ready)
    scene.timeline.start("the policy is stored")
    policy = scene.make_policy(**spec)
    scene.timeline.want(
        QUICKLY, "the policy says why", lambda: accepted(scene)[:2] == ("False", reason)
    )
    assert said in accepted(scene)[2]

    run = scene.start_run(policy, scene.pods.sicken())
    scene.wants_reason(run, reason)
    scene.timeline.stays(5, "nothing is done", lambda: scene.evicted() == Counter())

    edit(scene, verify={"metrics": []}, guards={"windows": []})
    scene.wants_accepted()
    # What the run has to prove was copied from the bad policy; its guards are those of now.
    wanted = "Succeeded" if "guards" in spec else "Escalated"
    scene.wants_phase(run, wanted)


def test_queries_of_their_own_are_for_policies_in_trusted_namespaces(
    scene: Scene, watch: Watch, make_process: MakeProcess
) -> None:
    own = 'errors{namespace="$namespace",executor=~"a$"} > bool 1'
    healer = make_process("healer", trusted_namespaces=scene.namespace, **told(watch))
    watch.say(errors=40)
    with running(healer):
        metric: Object = {"query": own, "thresholdRange": {"max": 0}}
        policy = scene.make_policy(verify=verify(metric, timeout="2m"))
        scene.wants_accepted()
        run = scene.start_run(policy, scene.pods.sicken())
        scene.timeline.want(SOON, "the action is taken", lambda: bool(scene.evicted()))
        watch.say(errors=0)

        scene.wants_phase(run, "Succeeded")
        (step,) = scene.run(run)["status"]["steps"]
        assert readings(step) == [{"name": own, "value": "0", "good": True}]

        edit(scene, verify={"metrics": [{"query": "errors{", "thresholdRange": {"max": 0}}]})
        scene.timeline.want(
            QUICKLY,
            "a query that does not parse is refused there, too",
            lambda: accepted(scene)[:2] == ("False", "QueryInvalid"),
        )


@pytest.mark.usefixtures("watching")
def test_an_edit_of_the_catalogue_counts_without_a_restart(scene: Scene, watch: Watch) -> None:
    policy = scene.make_policy(
        verify=verify({"name": "new", "thresholdRange": {"max": 5}}, timeout="2m")
    )
    scene.timeline.want(
        QUICKLY, "the policy says why", lambda: accepted(scene)[1] == "QueryUnknown"
    )
    run = scene.start_run(policy, scene.pods.sicken())
    scene.wants_reason(run, "QueryUnknown")
    watch.say(errors=0)

    watch.edit("new", 'max(errors{namespace="$namespace"})')

    scene.wants_phase(run, "Succeeded")
    scene.wants_accepted()
