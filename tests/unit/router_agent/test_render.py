"""The rendered text: a golden file, and properties that hold for every document."""

import copy
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from autoglm_api.routing import (
    ChatCompletionRetry,
    EndpointSafety,
    Listener,
    Planner,
    Retry,
    RoutingTable,
    Scheme,
    Security,
    key_digest,
    seal,
)
from autoglm_api.routingpolicies import AccessLog, Sharing, Strategy
from autoglm_api.routingsecurity import (
    Algorithm,
    AuthenticationType,
    ListenerCertificate,
    TokenKey,
    Tokens,
)
from autoglm_api.routingvalues import certificates_in
from autoglm_dataplane.router_agent import answers
from autoglm_dataplane.router_agent.layout import Layout, Ports
from autoglm_dataplane.router_agent.render import bootstrap, render
from autoglm_dataplane.router_agent.rendered import Rendered, map_text
from routingtables import INTERNAL_TOKEN, a_document, a_managed, a_server, a_table, an_external

WHERE = Layout(Path("/run/router"), "0.0.0.0", Ports(8080, 8090, 8404), 600)  # noqa: S104
GOLDEN = Path(__file__).parent / "golden"
CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

TOKEN_SECRET = "c2VjcmV0LW9mLXRva2Vucw=="  # noqa: S105 - known to everybody
PUBLIC = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
PRIVATE = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
TOKENS = Tokens(
    issuer="https://issuer.example.com",
    audience="autoglm",
    keys=(
        TokenKey(kid="0" * 64, algorithms=(Algorithm.RS256, Algorithm.PS256), public_key=PUBLIC),
        TokenKey(algorithms=(Algorithm.HS256,), secret=TOKEN_SECRET),
    ),
    models_claim="models",
)

RICH = a_table(
    [
        a_managed("local", 80, 81, weight=3),
        a_managed("more", 82),
        an_external("vendor", 443, host="models.example.com", path="/api/v4", priority=1),
        an_external(
            "backup",
            8443,
            host="backup.example.com",
            scheme=Scheme.HTTPS,
            ca=CA,
            api_key="key-backup",
            server_name="inner.example.com",
            priority=2,
        ),
        an_external(
            "other",
            80,
            host="other.example.com",
            model="org/other-9B",
            endpoint_model="vendor/other",
        ),
        a_managed("own", 83, 84, endpoint_model="glm-own", priority=3),
    ],
    models=("glm-test", "org/other-9B", "without-upstream"),
    planner=Planner(models=("autoglm",), servers=(a_server(8000),)),
    sharing=Sharing(strategy=Strategy.CONSISTENT_HASH, hash_header="x-session", cookie="autoglm"),
    endpoint_safety=EndpointSafety(
        denied_cidrs=("10.0.0.0/8",), allowed_addresses=("127.0.0.0/8",)
    ),
    listener=Listener(certificate=ListenerCertificate(chain=CA, key=PRIVATE)),
    security=Security(
        authentication=AuthenticationType.JWT,
        tokens=TOKENS,
        client_keys=(key_digest("sk-client"),),
        internal_tokens=(INTERNAL_TOKEN,),
    ),
)
ADDRESSES = ("203.0.113.7", "2001:db8::7")


def rendered(table: RoutingTable) -> Rendered:
    pins = {upstream.name: ADDRESSES for upstream in table.upstreams if upstream.external}
    return render(seal(table, 1), pins, WHERE)


def everything(table: Rendered) -> str:
    """All that HAProxy reads, in one text."""
    parts = {"haproxy.cfg": table.config()}
    parts |= {path: map_text(entries) for path, entries in table.maps.items()}
    parts |= dict(table.files)
    return "".join(f"==> {name}\n{text}\n" for name, text in parts.items())


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("bootstrap", bootstrap(WHERE)),
        ("rich", rendered(RICH)),
        (
            "never-repeat",
            rendered(
                a_table(
                    [a_managed("local", 80), an_external("vendor", 443, host="v.example")],
                    listener=Listener(access_log=AccessLog.FAILURES),
                    retry=Retry(chat_completions=ChatCompletionRetry.NEVER, max_attempts=1),
                )
            ),
        ),
    ],
)
def test_text_is_what_was_reviewed(name: str, table: Rendered) -> None:
    # After an intended change: delete the file, run once, and review what was written.
    golden = GOLDEN / f"{name}.txt"
    if not golden.exists():
        golden.write_text(everything(table))
        pytest.fail(f"{golden.name} was missing and is written now: review it.")
    assert everything(table) == golden.read_text()


@pytest.mark.parametrize(
    "table",
    [
        RICH,
        a_table(),
        a_table([a_managed("one", 80)], retry=Retry(max_attempts=1)),
        a_table(security=Security(authentication=AuthenticationType.NONE)),
    ],
)
def test_every_map_is_named_and_every_name_is_a_map(table: RoutingTable) -> None:
    # HAProxy cannot be asked for a map that its configuration does not name.
    found = rendered(table)
    named = set(re.findall(r"\((/run/router/[^,()]+\.map)\)", found.config()))
    assert named == set(found.maps)


def test_rendering_does_not_depend_on_the_order_of_upstreams() -> None:
    turned = RICH.model_copy(update={"upstreams": tuple(reversed(RICH.upstreams))})
    assert rendered(turned).structure == rendered(RICH).structure


@pytest.mark.parametrize(
    "change",
    [
        {"weight": 5},
        {"servers": (a_server(90), a_server(91), a_server(92))},
    ],
)
def test_weights_and_pods_are_no_structure(change: dict[str, object]) -> None:
    upstreams = (RICH.upstreams[0].model_copy(update=change), *RICH.upstreams[1:])
    changed = rendered(RICH.model_copy(update={"upstreams": upstreams}))
    assert changed.structure == rendered(RICH).structure
    assert changed.config() != rendered(RICH).config()


def test_keys_stand_in_maps_only() -> None:
    table = rendered(RICH)
    for secret in ("key-backup", INTERNAL_TOKEN, TOKEN_SECRET):
        assert secret not in table.config()
        assert any(secret in map_text(entries) for entries in table.maps.values())
    assert "sk-client" not in everything(table)


def test_answers_are_quoted_without_a_way_out() -> None:
    with pytest.raises(ValueError, match="quotes"):
        answers.quoted("it's")
    with pytest.raises(ValueError, match="line breaks"):
        answers.quoted("a\nb")


def strings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 - JSON
    """Paths of all strings of a JSON value."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from strings(inner, (*path, str(key)))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for number, inner in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from strings(inner, (*path, number))


VALUES: dict[str, Any] = json.loads(RICH.model_dump_json(exclude_none=True))
PATHS = list(strings(VALUES))
HOSTILE = st.one_of(
    st.sampled_from(
        [
            "x\n    http-request return status 200",
            "x\r\nbackend evil",
            "a b",
            "a\tb",
            "x'",
            'x"',
            "x\\",
            "x#",
            "%[env(HOME)]",
            "${HOME}",
            "x;del map",
            "x\x00y",
            "x\x85y",
            "x\u2028y",
            "../../etc/passwd",
            "x}",
            "x)",
            "127.0.0.1 check",
            "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\nbackend evil\n",
        ]
    ),
    st.text(max_size=20),
    st.text(alphabet=" \t\n\r'\"\\#%${}[]();,:/@=+-_.aZ0", max_size=20),
)


def skeleton(text: str) -> Counter[tuple[str, int]]:
    """How often a line has this directive and so many words; sections may come in any order."""
    lines = (line.split() for line in text.split("\n"))
    return Counter((words[0], len(words)) for words in lines if words)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_no_string_of_a_document_can_add_a_word_or_a_line(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(PATHS))
    values = copy.deepcopy(VALUES)
    holder: Any = values
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = data.draw(st.one_of(HOSTILE, HOSTILE.map(lambda text: f"a{text}")))
    if path[-1] == "model":
        values["models"].append(holder[path[-1]])
    try:
        table = RoutingTable.model_validate(values)
    except ValidationError:
        return
    if path[-1] in {"scheme", "authentication", "strategy", "accessLog"} or "algorithms" in path:
        return  # one of a few words, each with lines of its own
    found = rendered(table)
    assert _same_shape(found, rendered(RICH), extra_models=path[-1] == "model")
    for entries in found.maps.values():
        for line in map_text(entries).split("\n")[:-1]:
            assert re.fullmatch(r"[!-~]+ [!-~]+", line)
    for text in found.files.values():
        assert "backend" not in text.replace("backup", "")


def test_every_string_of_a_document_is_tried() -> None:
    written = {".".join(str(step) for step in path if isinstance(step, str)) for path in PATHS}
    assert written == set(fields_of(RoutingTable))


def fields_of(part: type[BaseModel], place: str = "") -> Iterator[str]:
    """Places of all strings that a document can have, by its types."""
    for name, field in part.model_fields.items():
        here = f"{place}{field.alias or name}"
        for inner in leaves(field.annotation):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from fields_of(inner, f"{here}.")
            elif isinstance(inner, type) and issubclass(inner, str):
                yield here


def leaves(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - a type
    """The types that an annotation is made of."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        inner = inner[:1]
    if not inner:
        yield annotation
    for each in inner:
        yield from leaves(each)


def _same_shape(found: Rendered, usual: Rendered, *, extra_models: bool) -> bool:
    if extra_models:
        # A model of its own makes a tier of its own; each line must still be one that we know.
        known = set(skeleton(usual.config()))
        return all(one in known for one in skeleton(found.config()))
    return skeleton(found.config()) == skeleton(usual.config())


def test_the_fuzz_test_would_see_an_injection() -> None:
    usual = rendered(RICH)
    hostile = RICH.upstreams[2].external.model_copy(  # type: ignore[union-attr]
        update={"path": "/x\n    http-request return status 200"}
    )
    upstreams = list(RICH.upstreams)
    upstreams[2] = upstreams[2].model_copy(update={"external": hostile})
    unchecked = a_document().model_copy(update={**dict(RICH), "upstreams": tuple(upstreams)})
    found = render(unchecked, {"vendor": ADDRESSES}, WHERE)
    assert not _same_shape(found, usual, extra_models=False)


def test_certificates_are_taken_out_of_what_people_write() -> None:
    written = "# a comment\r\n" + CA.replace("\n", "\r\n") + "\n"
    assert certificates_in(written) == CA
    assert certificates_in("nothing") is None
