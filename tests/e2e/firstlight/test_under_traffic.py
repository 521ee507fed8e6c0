"""Whatever is changed about a cluster's routing: requests go on, none fails and none is lost."""

import statistics
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass

import httpx
import pytest

from demo import kubectl, routing
from demo.stage import SYSTEM
from demo.traffic import MODEL, Client, Sent, send
from demo_stage import Scene
from kube import Kube
from kubeconfig import Object
from simulators import faulty
from statuses import condition
from timeline import Timeline, within
from undisturbed import answered_by, undisturbed

SOON = within(60)
"""Generous: everything waited for takes a few seconds on an idle machine."""
WHILE = within(120)
"""An autoscaler looks every 15 s."""
UTILIZATION = {"type": "Utilization", "averageUtilization": 5000}
"""So much that only the bounds decide."""
LARGE = 5 * 2**20
"""Bytes of a picture; a router's buffer has 128 KiB."""
FORCE = "in force on every router"


@dataclass(frozen=True)
class Play:
    """A test of this module, and the traffic that runs beside it."""

    kube: Kube
    scene: Scene
    timeline: Timeline
    sent: Sent

    def wants(self, what: str, probe: Callable[[], object]) -> float:
        """Wait until the probe is true; return when."""
        return self.timeline.want(SOON, what, probe)

    def cluster(self) -> Object:
        """The cluster as it is."""
        found = self.kube.get("AutoGLMCluster", self.scene.stage.cluster, self.scene.namespace)
        assert found is not None
        return found

    def endpoint(self, name: str) -> Object:
        """An endpoint as it is."""
        found = self.kube.get("ModelEndpoint", name, self.scene.namespace)
        assert found is not None
        return found

    def pods(self, selector: str) -> list[str]:
        """Names of pods that are ready and not about to go."""
        found = self.kube.list("Pod", self.scene.namespace, selector)
        live = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return [str(pod["metadata"]["name"]) for pod in live if condition(pod, "Ready") == "True"]

    def only_pod(self, endpoint: str) -> str:
        """The one pod of an endpoint, once those that leave have left."""
        selector = f"autoglm.io/endpoint={endpoint}"
        self.wants(f"{endpoint} has one pod", lambda: len(self.pods(selector)) == 1)
        return self.pods(selector)[0]

    def route(self, spec: Object) -> float:
        """Change the cluster's spec; return when every router has that in force."""
        before = routing.version(self.scene.stage)
        self.kube.patch("AutoGLMCluster", self.scene.stage.cluster, self.scene.namespace, spec)
        return self.wants(FORCE, lambda: routing.programmed(self.scene.stage, before))

    def manage(self, name: str, **changes: object) -> None:
        """Change how the operator runs an endpoint."""
        spec: Object = {"spec": {"managed": changes}}
        self.kube.patch("ModelEndpoint", name, self.scene.namespace, spec)

    def answered(self) -> Counter[str]:
        """The pods that answer from now on."""
        return answered_by(self.sent, self.timeline)


@pytest.fixture
def play(kube: Kube, scene: Scene, timeline: Timeline) -> Generator[Play]:
    """Requests all the time, until the test is over."""
    with undisturbed(scene.stage, timeline) as sent:
        yield Play(kube, scene, timeline, sent)


def test_every_strategy_in_turn(play: Play) -> None:
    """Each of these changes is a reload of every router, under requests and connections."""
    client = play.scene.stage.client()
    every: list[tuple[Object, Callable[[], bool]]] = [
        ({"strategy": "LeastConnections"}, lambda: len(play.answered()) == 2),
        ({"strategy": "SourceIPHash"}, lambda: len(set(send(client, 60).pods.values())) == 1),
        (
            {"strategy": "ConsistentHash", "hashHeader": "x-session"},
            lambda: _each_key_has_its_own_server(client),
        ),
        ({"strategy": "LoadAware", "hashHeader": None}, lambda: len(play.answered()) == 2),
        (
            {"strategy": "RoundRobin", "stickyCookie": "home"},
            lambda: _each_client_has_its_own_server(client),
        ),
        ({"strategy": "RoundRobin", "stickyCookie": None}, lambda: _three_of_four(play)),
    ]
    for router, so in every:
        play.route({"spec": {"router": router}})
        assert so(), router


def _each_key_has_its_own_server(client: Client) -> bool:
    homes = [
        set(send(client, 8, {"x-session": f"session-{number}"}).pods.values())
        for number in range(16)
    ]
    return all(len(home) == 1 for home in homes) and len(set[str]().union(*homes)) == 2


def _each_client_has_its_own_server(client: Client) -> bool:
    """Each keeps its cookies, and sends one request after the other."""
    homes = [set(send(client, 6, workers=1).pods.values()) for _ in range(8)]
    return all(len(home) == 1 for home in homes)


def _three_of_four(play: Play) -> bool:
    """RoundRobin is exact; what the reload left half done is not."""
    by_pod = answered_by(play.sent, play.timeline, 400)
    east = sum(count for pod, count in by_pod.items() if pod.startswith("east-"))
    return abs(east / 400 - 0.75) < 0.03


def test_weights_change_all_the_time(play: Play, timeline: Timeline) -> None:
    took: list[float] = []
    for turn in range(30):
        before = routing.version(play.scene.stage)
        weights = {"east": 1 + turn % 3, "west": 3 - turn % 3 + (turn % 2)}
        took.append(routing.weigh(play.scene.stage, weights, before))
    routing.weigh(play.scene.stage, {"east": 3, "west": 1}, routing.version(play.scene.stage))
    timeline.note(
        f"30 weight changes from kubectl patch to the status that says so: "
        f"median {statistics.median(took):.2f} s, longest {max(took):.2f} s"
    )


def test_both_endpoints_are_suspended_and_come_back(play: Play) -> None:
    assert routing.fallback(play.scene.stage).upstreams == {"vendor": 100}


def test_without_an_operator_routers_go_on_and_new_ones_serve(play: Play) -> None:
    """A router pod that starts meanwhile finds the last table in its Secret."""
    routers = f"autoglm.io/cluster={play.scene.stage.cluster},autoglm.io/role=router"
    operators = "app.kubernetes.io/component=operator"

    def scale(replicas: int) -> None:
        play.kube.patch("Deployment", "autoglm-operator", SYSTEM, {"spec": {"replicas": replicas}})

    before = play.kube.get("Deployment", "autoglm-operator", SYSTEM)
    assert before is not None
    scale(0)
    try:
        play.wants("the operator is gone", lambda: not play.kube.list("Pod", SYSTEM, operators))
        old = set(play.pods(routers))
        for name in old:
            play.kube.delete("Pod", name, play.scene.namespace)
            play.wants(
                "another router is ready in its place",
                lambda: len(set(play.pods(routers))) == len(old),
            )
            play.answered()
        assert not old & set(play.pods(routers))
        assert _three_of_four(play)
    finally:
        scale(int(before["spec"]["replicas"]))
    play.wants("the operator is back", lambda: routing.programmed(play.scene.stage))


def test_an_endpoint_grows_and_shrinks(play: Play) -> None:
    selector = "autoglm.io/endpoint=west"
    play.manage("west", replicas=4)
    play.wants("four pods are ready", lambda: len(play.pods(selector)) == 4)
    four = set(play.pods(selector))
    play.wants("all of them answer", lambda: four <= set(play.answered()))

    play.manage("west", replicas=1)

    left = play.only_pod("west")
    play.timeline.want(
        SOON,
        "the one that is left answers alone",
        lambda: {pod for pod in play.answered() if pod.startswith("west-")} == {left},
    )


def test_an_autoscaler_takes_over_and_hands_back(play: Play) -> None:
    """The number of pods is the autoscaler's as long as there is one; nobody turns it back."""
    selector = "autoglm.io/endpoint=west"
    busy = {"type": "Resource", "resource": {"name": "cpu", "target": UTILIZATION}}
    bounds = {"minReplicas": 2, "maxReplicas": 3, "metrics": [busy]}
    play.manage("west", replicas=None, autoscaling=bounds)
    play.timeline.want(WHILE, "it wants two pods", lambda: len(play.pods(selector)) == 2)
    two = set(play.pods(selector))
    play.wants("both answer", lambda: two <= set(play.answered()))

    play.manage("west", replicas=1, autoscaling=None)

    alone = play.only_pod("west")
    name = "HorizontalPodAutoscaler"
    play.wants(
        "the autoscaler is gone", lambda: not play.kube.list(name, play.scene.namespace, selector)
    )
    assert alone in play.answered()


def test_the_router_grows_and_shrinks(play: Play) -> None:
    selector = f"autoglm.io/cluster={play.scene.stage.cluster},autoglm.io/role=router"
    for replicas in (1, 4, 2):
        play.kube.patch(
            "AutoGLMCluster",
            play.scene.stage.cluster,
            play.scene.namespace,
            {"spec": {"router": {"replicas": replicas}}},
        )

        def so(wanted: int = replicas) -> bool:
            known = play.cluster()["status"].get("routing", {})
            acknowledged = (known.get("routers"), known.get("acknowledged")) == (wanted, wanted)
            return acknowledged and len(play.pods(selector)) == wanted

        play.wants(f"{replicas} routers have the table", so)
        play.answered()


def test_a_new_revision_takes_over(play: Play) -> None:
    before = play.endpoint("west")["status"]["activeRevision"]
    old = play.only_pod("west")

    play.manage("west", resources={"requests": {"cpu": "11m"}})

    def taken_over() -> bool:
        by_pod = {pod for pod in play.answered() if pod.startswith("west-")}
        return bool(by_pod) and old not in by_pod

    play.wants("only the new pod answers", taken_over)
    assert play.endpoint("west")["status"]["activeRevision"] != before
    play.manage("west", resources=None)
    play.timeline.want(
        SOON, "and back", lambda: play.endpoint("west")["status"]["activeRevision"] == before
    )


def test_a_revision_that_never_gets_ready_leaves_the_old_one_serving(play: Play) -> None:
    before = play.endpoint("west")["status"]["activeRevision"]
    old = play.only_pod("west")

    play.manage("west", nodeSelector={"kubernetes.io/hostname": "nowhere"})

    def degraded() -> bool:
        found = kubectl.condition(play.endpoint("west"), "Degraded")
        return (found.get("status"), found.get("reason")) == ("True", "Unschedulable")

    play.wants("the endpoint says why", degraded)
    assert condition(play.endpoint("west"), "Ready") == "True"
    assert play.endpoint("west")["status"]["activeRevision"] == before
    assert play.answered()[old] > 0
    play.manage("west", nodeSelector=None)
    play.wants("it is well again", lambda: condition(play.endpoint("west"), "Degraded") == "False")


def test_a_failing_server_is_left_alone_until_it_is_well(play: Play) -> None:
    pod = play.only_pod("east")

    def circuit() -> str:
        upstreams = play.cluster()["status"]["upstreams"]
        return str(next(each["circuit"] for each in upstreams if each["name"] == "east"))

    found = play.kube.get("Pod", pod, play.scene.namespace)
    assert found is not None
    with faulty([found], status=500):
        play.wants("its circuit is open", lambda: circuit() == "Open")
        assert pod not in play.answered()
    play.timeline.want(within(120), "it answers again", lambda: pod in play.answered())
    play.timeline.want(within(120), "its circuit is closed", lambda: circuit() == "Closed")

    def told() -> bool:
        events = play.kube.list("Event", play.scene.namespace)
        about = [each for each in events if each["involvedObject"]["name"] == "east"]
        return {"CircuitOpened", "CircuitClosed"} <= {each["reason"] for each in about}

    play.wants("both stand in the endpoint's events", told)


def test_a_client_s_key_is_rotated(kube: Kube, scene: Scene, timeline: Timeline) -> None:
    """A second key beside the first, clients move over, then the first is another one."""
    first = scene.stage.client()
    second, third = (Client(first.url, f"sk-{number}-of-three") for number in ("second", "third"))

    def keys(**changes: str | None) -> float:
        texts = {name: text for name, text in changes.items() if text is not None}
        gone = dict.fromkeys(changes.keys() - texts.keys())
        secret: Object = {"stringData": texts, "data": gone}
        kube.patch("Secret", f"{scene.stage.cluster}-client-key", scene.namespace, secret)
        return timeline.now

    def admits(client: Client) -> bool:
        return not send(client, 8).failures

    def refuses(client: Client) -> bool:
        return len(send(client, 8).failures) == 8

    with undisturbed(scene.stage, timeline, first):
        began = keys(next=second.key)
        added = timeline.want(SOON, "both are valid", lambda: admits(second)) - began
    with undisturbed(scene.stage, timeline, second):
        began = keys(key=third.key)
        gone = timeline.want(SOON, "the first is refused", lambda: refuses(first)) - began
    with undisturbed(scene.stage, timeline, third):
        keys(next=None)
        timeline.want(SOON, "the second is refused", lambda: refuses(second))
    timeline.note(f"a key is valid after {added:.1f} s, no longer valid after {gone:.1f} s")


def test_a_stream_outlives_the_reload_that_happens_meanwhile(play: Play) -> None:
    """It is HAProxy's old worker that ends it; new requests go to the new one."""
    begun = threading.Event()
    text: list[str] = []

    def read() -> None:
        with play.scene.stage.client().connect() as client:
            stream = client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "hello"}],
                max_tokens=24,
                stream=True,
                extra_headers={"x-sim-chunk-delay": "500ms"},
            )
            for chunk in stream:
                begun.set()
                text.extend(choice.finish_reason or "more" for choice in chunk.choices)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert begun.wait(30)
    play.route({"spec": {"router": {"maxBodySize": "19Mi"}}})
    assert reader.is_alive(), "the stream was over before the reload"
    reader.join(60)
    assert text[-1] in {"stop", "length"}
    play.route({"spec": {"router": {"maxBodySize": "20Mi"}}})


def test_large_images_go_beside_small_requests(play: Play) -> None:
    """Bodies that only the lane can look into, with `model` behind the picture."""
    picture = f"data:image/png;base64,{'A' * LARGE}"
    parts: Object = {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": picture}},
        ],
    }
    client = play.scene.stage.client()
    body = {"messages": [parts], "max_tokens": 8, "model": MODEL}
    headers = {"authorization": f"Bearer {client.key}"}
    with httpx.Client(base_url=client.url, headers=headers, timeout=60) as http:
        replies = [http.post("/v1/chat/completions", json=body) for _ in range(10)]
    assert {reply.status_code for reply in replies} == {200}
    assert {reply.json()["object"] for reply in replies} == {"chat.completion"}


def test_the_routers_count_what_the_clients_sent(kube: Kube, scene: Scene) -> None:
    before = _counted(kube, scene)
    sent = send(scene.stage.client(), 300)
    assert sent.failures == []
    # Together they counted every answer once.
    counted = _counted(kube, scene) - before
    by_upstream = {name: counted[name] for name in ("east", "west")}
    assert by_upstream == {name: sent.upstreams[name] for name in ("east", "west")}


def _counted(kube: Kube, scene: Scene) -> Counter[str]:
    """Good answers by upstream, from the metrics of every router."""
    found: Counter[str] = Counter()
    selector = f"autoglm.io/cluster={scene.stage.cluster},autoglm.io/role=router"
    for pod in kube.list("Pod", scene.namespace, selector):
        url = f"http://{pod['status']['podIP']}:8404/metrics"
        with urllib.request.urlopen(url, timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        for line in lines:
            if not line.startswith("haproxy_server_http_responses_total{") or '"2xx"' not in line:
                continue
            if 'proxy="tier.' in line:
                server = line.split('server="')[1].split('"')[0]
                found[server.split(".")[0]] += int(float(line.rsplit(" ", 1)[1]))
    return found
