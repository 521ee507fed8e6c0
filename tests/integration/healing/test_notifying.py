"""Notices to real servers: told once, again while away, never in the way, never where forbidden."""

import base64
import json
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from autoglm_api.healingpolicy import HealingPolicy
from customresources import a_policy
from healing_objects import SOON, MakeProcess, Scene
from healing_processes import HealingProcess, running
from kubeconfig import Object
from notice_desks import SECRET_PATH, Desk
from proxy_tls import loopback_identity
from sick_pods import a_web_deployment
from statuses import is_available
from timeline import within

RESTART: Object = {"action": "Restart", "restart": {"scope": "Pod"}}
NOTIFY: Object = {"action": "Notify"}
SOON_ANEW = within(90)
"""A place that was away is told again a quarter of a minute later."""
LOOPBACK = {"allowed_addresses": "127.0.0.0/8"}


@pytest.fixture
def desk() -> Generator[Desk]:
    """Somebody to tell."""
    with Desk().open() as opened:
        yield opened


@pytest.fixture
def telling(make_process: MakeProcess) -> Generator[HealingProcess]:
    """A healer that may post to loopback."""
    with running(make_process("healer", **LOOPBACK)) as process:
        yield process


def hook(scene: Scene, name: str, url: str, **more: str) -> None:
    """Store a URL in a Secret that we may read."""
    values = {"url": url, **{key.replace("_", "."): value for key, value in more.items()}}
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"autoglm.io/credential": "true"}},
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items()},
    }
    scene.kube.create(secret, scene.namespace)


def slack(name: str) -> Object:
    """A place in Slack whose URL is in the Secret of this name."""
    return {"type": "Slack", "slack": {"urlSecretRef": {"name": name, "key": "url"}}}


def webhook(name: str, **more: object) -> Object:
    """Any place whose URL is in the Secret of this name."""
    refs: Object = {"urlSecretRef": {"name": name, "key": "url"}, **more}
    return {"type": "Webhook", "webhook": refs}


def another_policy(scene: Scene, **spec: Any) -> HealingPolicy:  # noqa: ANN401 - parts of a spec
    """A second policy for the same targets."""
    target: Object = {"kind": "Workload", "selector": {"matchLabels": {"app": "web"}}}
    restarts: Object = {"mode": "Enforce", "target": target, "ladder": [RESTART], **spec}
    return HealingPolicy.read(scene.kube.create(a_policy("other", **restarts), scene.namespace))


def step(scene: Scene, run: str, number: int = 0) -> Object:
    """One entry of a run's journal."""
    found: list[Object] = scene.run(run).get("status", {}).get("steps", [])
    return found[number] if number < len(found) else {}


def assert_nobody_learnt_the_url(scene: Scene, process: HealingProcess) -> None:
    """Neither the record nor Events, the policy, the log or the metrics hold it."""
    kinds = ("HealingRun", "HealingPolicy", "Event.events.k8s.io")
    told = json.dumps([scene.kube.list(kind, scene.namespace) for kind in kinds])
    metrics = process.get("/metrics")
    assert metrics is not None
    for text in (told, process.log.read_text(), metrics.text):
        assert SECRET_PATH not in text
        assert SECRET_PATH.rpartition("/")[2] not in text


def test_people_are_told_when_nothing_else_has_helped(
    scene: Scene, telling: HealingProcess, desk: Desk
) -> None:
    scene.pods.hopeless = True
    hook(scene, "chat", desk.url)
    hook(scene, "pager", desk.url)
    policy = scene.make_policy(
        ladder=[RESTART, NOTIFY],
        notify=[slack("chat"), webhook("pager")],
        verify={"stabilization": "1s", "timeout": "5s"},
    )
    run = scene.start_run(policy, scene.pods.sicken())

    scene.wants_phase(run, "Escalated")

    restart, notice = (step(scene, run, number) for number in (0, 1))
    assert (restart["helped"], notice["outcome"]) == (False, "Succeeded")
    assert notice["message"] == "Told 2 of 2 places."
    assert len(desk.posts) == 2
    assert len({post.key for post in desk.posts}) == 2
    (text,) = (post.body["text"] for post in desk.posts if "text" in post.body)
    assert "Alert KubePodCrashLooping about Deployment web needs a person." in text
    assert "1 of 2" in text, "what is wrong"
    assert f"HealingRun {scene.namespace}/{run}, policy crash." in text
    (document,) = (post.body for post in desk.posts if "text" not in post.body)
    assert document["version"] == "1"
    assert document["run"] == {"namespace": scene.namespace, "name": run}
    assert document["target"] == {"kind": "Deployment", "name": "web"}
    assert [each["action"] for each in document["steps"]] == ["Restart"]
    assert_nobody_learnt_the_url(scene, telling)


@pytest.mark.usefixtures("telling")
def test_nobody_is_told_of_what_was_healed_or_would_only_have_been(
    scene: Scene, desk: Desk
) -> None:
    hook(scene, "chat", desk.url)
    told: Object = {"ladder": [RESTART, NOTIFY], "notify": [slack("chat")]}
    healed = scene.start_run(scene.make_policy(**told), scene.pods.sicken())
    scene.wants_phase(healed, "Succeeded")
    dry = another_policy(scene, mode="DryRun", ladder=[NOTIFY], notify=[slack("chat")])
    only = scene.start_run(dry, scene.pods.sicken())
    scene.wants_reason(only, "DryRun")
    assert desk.posts == []


@pytest.mark.usefixtures("telling")
def test_not_even_a_pause_keeps_people_from_being_told(scene: Scene, desk: Desk) -> None:
    hook(scene, "chat", desk.url)
    policy = scene.make_policy(paused=True, ladder=[NOTIFY], notify=[slack("chat")])
    run = scene.start_run(policy, scene.pods.sicken())
    scene.wants_phase(run, "Escalated")
    assert len(desk.posts) == 1


def test_a_place_is_told_again_until_it_has_taken_the_notice(
    scene: Scene, telling: HealingProcess, desk: Desk
) -> None:
    desk.answers = [500] * 100
    hook(scene, "pager", desk.url)
    policy = scene.make_policy(ladder=[NOTIFY], notify=[webhook("pager")])
    run = scene.start_run(policy, scene.pods.sicken())
    scene.timeline.want(
        SOON,
        "the record says why it goes on",
        lambda: "answered 500" in step(scene, run).get("message", ""),
    )
    desk.answers = [429]

    scene.timeline.want(SOON_ANEW, "the run ends", lambda: scene.phase(run) == "Escalated")

    assert step(scene, run)["outcome"] == "Succeeded"
    assert len(desk.posts) >= 3
    assert len({post.key for post in desk.posts}) == 1
    assert_nobody_learnt_the_url(scene, telling)


def test_a_place_that_never_takes_the_notice_is_given_up_after_max_wait(
    scene: Scene, telling: HealingProcess, desk: Desk
) -> None:
    desk.answers = [503] * 100
    hook(scene, "pager", desk.url)
    policy = scene.make_policy(
        ladder=[NOTIFY],
        notify=[webhook("pager")],
        guards={"cooldown": "0s", "maxWait": "20s"},
    )
    run = scene.start_run(policy, scene.pods.sicken())

    scene.timeline.want(SOON_ANEW, "the run ends", lambda: scene.phase(run) == "Escalated")

    notice = step(scene, run)
    assert (notice["outcome"], notice["reason"]) == ("Failed", "NoticeNotDelivered")
    assert len(desk.posts) >= 2
    assert_nobody_learnt_the_url(scene, telling)


@pytest.mark.parametrize("code", [301, 302, 307, 308, 400, 404])
@pytest.mark.usefixtures("telling")
def test_no_redirect_is_followed_and_no_refusal_is_repeated(
    scene: Scene, desk: Desk, code: int
) -> None:
    with Desk().open() as elsewhere:
        desk.answers, desk.location = [code] * 10, elsewhere.url
        hook(scene, "pager", desk.url)
        policy = scene.make_policy(ladder=[NOTIFY], notify=[webhook("pager")])
        run = scene.start_run(policy, scene.pods.sicken())
        scene.wants_phase(run, "Escalated")
        assert len(desk.posts) == 1
        assert elsewhere.posts == []
    notice = step(scene, run)
    assert notice["outcome"] == "Failed"
    assert notice["message"] == f"Told 0 of 1 places. The receiver of notices answered {code}."


def test_healing_goes_on_while_a_place_hangs(
    scene: Scene, make_process: MakeProcess, desk: Desk
) -> None:
    """One worker only: whatever waited for the place would be in everybody's way."""
    desk.hangs = True
    hook(scene, "pager", desk.url)
    scene.kube.create(a_web_deployment(name="web2"), scene.namespace)
    scene.timeline.want(
        SOON,
        "web2 is available",
        lambda: is_available(scene.kube.get("Deployment", "web2", scene.namespace)),
    )
    with running(make_process("healer", workers="1", **LOOPBACK)):
        policy = scene.make_policy(ladder=[NOTIFY], notify=[webhook("pager")])
        run = scene.start_run(policy, scene.pods.sicken())
        other = another_policy(scene, guards={"storm": {"maxUnhealthy": "100%"}})
        scene.timeline.want(SOON, "the place hangs", lambda: desk.waiting == 1)

        scene.start_run(other, scene.pods.sicken("web2"))

        scene.timeline.want(SOON, "the other target is healed", lambda: bool(scene.evicted()))
        assert (desk.waiting, len(desk.posts)) == (1, 1), "the post is still on its way"
        assert scene.phase(run) != "Escalated"


def test_a_healer_that_dies_while_it_posts_posts_the_same_again(
    scene: Scene, telling: HealingProcess, desk: Desk
) -> None:
    desk.hangs = True
    hook(scene, "pager", desk.url)
    policy = scene.make_policy(ladder=[NOTIFY], notify=[webhook("pager")])
    run = scene.start_run(policy, scene.pods.sicken())
    scene.timeline.want(SOON, "the place hangs", lambda: desk.waiting == 1)
    telling.kill()
    desk.hangs = False
    telling.start()

    scene.wants_phase(run, "Escalated")

    assert step(scene, run)["outcome"] == "Succeeded"
    assert Counter(post.key for post in desk.posts).most_common(1)[0][1] == len(desk.posts) == 2


def test_private_authorities_are_trusted_where_the_policy_names_them(
    scene: Scene, telling: HealingProcess
) -> None:
    identity = loopback_identity()
    with Desk(identity).open() as desk:
        hook(scene, "pager", desk.url, ca_crt=identity.authority.decode())
        unknown = scene.make_policy(ladder=[NOTIFY], notify=[webhook("pager")])
        untold = scene.start_run(unknown, scene.pods.sicken())
        scene.timeline.want(
            SOON,
            "its certificate is not trusted",
            lambda: "No connection" in step(scene, untold).get("message", ""),
        )
        assert desk.posts == []
        named = webhook("pager", caSecretRef={"name": "pager", "key": "ca.crt"})
        trusted: Object = {"spec": {"notify": [named]}}
        scene.kube.patch("HealingPolicy", "crash", scene.namespace, trusted)

        scene.timeline.want(SOON_ANEW, "it is told", lambda: scene.phase(untold) == "Escalated")
        assert step(scene, untold)["outcome"] == "Succeeded"
        assert len(desk.posts) == 1
    assert_nobody_learnt_the_url(scene, telling)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("{desk}", "leads to an address that is refused"),
        ("http://169.254.169.254/latest/meta-data", "leads to an address that is refused"),
        ("http://[::1]/hush-hush", "leads to an address that is refused"),
        ("http://localhost/hush-hush", "names a host that notices must not be sent to"),
        ("http://hooks.elsewhere.svc/hush-hush", "names a host that notices must not be sent to"),
        ("https://kubernetes.default.svc/api", "names a host that notices must not be sent to"),
        ("https://me:hush-hush@203.0.113.9/", "hold no credentials"),
        ("file:///etc/passwd", "must start with https://"),
        ("hush-hush", "must start with https://"),
    ],
    ids=[
        "loopback",
        "metadata",
        "loopback of IPv6",
        "this machine",
        "a Service elsewhere",
        "the API server",
        "credentials",
        "a file",
        "no URL",
    ],
)
def test_the_rule_for_endpoints_holds_for_notices(
    scene: Scene, healer: HealingProcess, desk: Desk, url: str, said: str
) -> None:
    hook(scene, "pager", url.format(desk=desk.url))
    policy = scene.make_policy(ladder=[NOTIFY], notify=[webhook("pager")])
    run = scene.start_run(policy, scene.pods.sicken())
    scene.wants_phase(run, "Escalated")
    notice = step(scene, run)
    assert notice["outcome"] == "Failed"
    assert said in notice["message"]
    assert desk.posts == []
    assert_nobody_learnt_the_url(scene, healer)
