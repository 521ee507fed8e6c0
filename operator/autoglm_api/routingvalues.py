"""Values that may stand in a routing document: every string has an allow-list of characters.

It is the first of two fences between what people write and HAProxy's text; the renderer's templates
are the other. This module knows no part of the document but its smallest.
"""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

MODEL_NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$"
ModelName = Annotated[str, Field(min_length=1, max_length=253, pattern=MODEL_NAME_PATTERN)]
"""A model name as clients write it: no blank, quote, comma, percent or control character."""
HostName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$",
    ),
]
"""A DNS name in lower case, or an IPv4 address."""
BasePath = Annotated[str, Field(max_length=512, pattern=r"^(/[A-Za-z0-9._~:@+=,-]+)*$")]
"""The path of a base URL without its last slash; empty for none."""
Credential = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[!-~]+$")]
"""A key that is sent as a bearer token: printable ASCII without blanks."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest in lower-case hexadecimal."""
ServerUid = Annotated[str, Field(pattern=r"^[0-9a-f-]{8}$")]
"""The first 8 characters of a pod's UID."""
Port = Annotated[int, Field(ge=1, le=65535)]
Milliseconds = Annotated[int, Field(ge=1, le=86_400_000)]
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
CertificateBundle = Annotated[
    str,
    Field(
        max_length=64 * 1024,
        pattern=rf"^({_BEGIN}\n([A-Za-z0-9+/=]{{1,64}}\n)+{_END}\n)+$",
    ),
]
"""PEM certificates and nothing between them; `certificates_in` makes this of what people write."""

_CERTIFICATE: Final = re.compile(rf"{_BEGIN}([A-Za-z0-9+/=\s]+){_END}")


def _address(value: str) -> str:
    return str(ip_address(value))


def _network(value: str) -> str:
    return str(ip_network(value, strict=False))


Address = Annotated[str, Field(max_length=45, pattern=r"^[0-9a-f.:]+$"), AfterValidator(_address)]
"""An IPv4 or IPv6 address without a zone."""
Network = Annotated[str, Field(max_length=49, pattern=r"^[0-9a-f.:/]+$"), AfterValidator(_network)]
"""A range of addresses, as `10.0.0.0/8`; a single address is a range of one."""


class Part(BaseModel):
    """A part of the document: frozen, without unknown fields, silent about its values."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
        frozen=True,
        extra="forbid",
        # A refused document may hold keys; its error message must not.
        hide_input_in_errors=True,
    )


def certificates_in(text: str) -> str | None:
    """The certificates of a PEM text in the only form that a document takes; None without any."""
    bodies = ["".join(found.split()) for found in _CERTIFICATE.findall(text)]
    return "".join(_pem(body) for body in bodies) or None


def _pem(body: str) -> str:
    lines = "".join(f"{body[at : at + 64]}\n" for at in range(0, len(body), 64))
    return f"{_BEGIN}\n{lines}{_END}\n"
