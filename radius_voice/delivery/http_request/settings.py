"""The section of a provider of type `http-request`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from radius_voice.config.adapters import RuleContext
from radius_voice.config.addresses import URL_HOST
from radius_voice.config.checks import is_loopback
from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import FieldType, OneOrMany, require_text
from radius_voice.config.http_section import HttpProviderSection
from radius_voice.config.secrets import Secret
from radius_voice.config.section import Diagnostic, KeyProblem, Section, file_default
from radius_voice.delivery.http_request import templates
from radius_voice.login.model import Method

URL_PARTS = re.compile(rf"(https?://{URL_HOST}(?::[0-9]{{1,5}})?)([/?].*)?", re.DOTALL)
"""Scheme, host and port of a URL, and the rest, which is a template."""
MIN_STATUS, MAX_STATUS = 200, 599
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"
OF_CONNECTION = frozenset(
    {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that belong to the HTTP client."""
SecretName: TypeAlias = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,31}$")]


def _url(value: Any, _context: LoadContext) -> str:
    text = require_text(value)
    found = URL_PARTS.fullmatch(text)
    try:
        usable = found is not None and bool(urlsplit(found[1]).hostname) and urlsplit(found[1]).port != 0
    except ValueError:
        usable = False
    if not usable:
        text = "not a URL; write https://HOST/PATH, with placeholders only after the host and without a user name"
        raise ValueError(text)
    return text


URL_TEMPLATE = FieldType(
    _url, {"type": "string", "pattern": "^https?://", "examples": ["https://sms.example.org/messages"]}
)


def _statuses(value: Any, _context: LoadContext) -> range:
    match value:
        case bool():
            pass
        case int() if MIN_STATUS <= value <= MAX_STATUS:
            return range(value, value + 1)
        case str() if re.fullmatch("[2-5]xx", value):
            return range(int(value[0]) * 100, int(value[0]) * 100 + 100)
    raise ValueError(f"not a status; write a number from {MIN_STATUS} to {MAX_STATUS}, or 2xx, 3xx, 4xx or 5xx")


STATUSES = FieldType(
    _statuses,
    {
        "anyOf": [
            {"type": "integer", "minimum": MIN_STATUS, "maximum": MAX_STATUS},
            {"type": "string", "pattern": "^[2-5]xx$"},
        ]
    },
)
"""A status or a class of them; it becomes a range."""


def _json_value(value: Any, _context: LoadContext) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
    return require_text(value)


JSON_VALUE = FieldType(_json_value, {"type": ["string", "integer", "boolean"]})
"""A text, a whole number or a truth value; it becomes the text that JSON writes for it, without quotation marks."""

FieldPath: TypeAlias = Annotated[
    str, Field(pattern=r"^[^.\x00-\x1f]+(\.[^.\x00-\x1f]+)*$", examples=["messages.0.status"])
]


class BasicAuthSettings(Section):
    """The user name and password of HTTP's basic authentication."""

    username: str = Field(pattern=r"^[^:\x00-\x1f\x7f]+$", examples=["radius-voice"])
    """The user name."""
    password: Secret
    """The password."""


class ResponseRuleSettings(Section):
    """A rule: what a response means. All conditions of a rule must apply."""

    status: Annotated[tuple[Annotated[range, STATUSES], ...], Field(strict=False, min_length=1), OneOrMany()] | None = (
        Field(None, examples=[[200, 202]])
    )
    """The status of the response, like 200 or 4xx, or a list."""
    contains: str | None = Field(None, min_length=1)
    """A text that the body contains."""
    field: FieldPath | None = None
    """The path to a value in a body of JSON, like messages.0.status; requires value."""
    value: Annotated[tuple[Annotated[str, JSON_VALUE], ...], Field(strict=False, min_length=1), OneOrMany()] | None = (
        Field(None, examples=[["queued", "sent"]])
    )
    """The value at field, or a list of values."""
    result: Literal["placed", "number_rejected", "not_placed", "indeterminate"]
    """What the response means."""
    alarm: bool = False
    """Whether an administrator must act; for number_rejected and not_placed."""

    @model_validator(mode="after")
    def _has_conditions(self) -> ResponseRuleSettings:
        if (self.field is None) is not (self.value is None):
            raise KeyProblem("field and value belong together; write both", "field" if self.field else "value")
        if self.status is None and self.contains is None and self.field is None:
            raise KeyProblem("has no condition; write status, contains, or field and value")
        if self.alarm and self.result in {"placed", "indeterminate"}:
            raise KeyProblem("is for number_rejected and not_placed; remove it", "alarm")
        return self


class HttpRequestSettings(HttpProviderSection):
    """A gateway of your own that gets one HTTP request for each code."""

    METHODS: ClassVar[tuple[Method, ...]] = (Method.VOICE, Method.SMS)

    type: Literal["http-request"]
    """The type of the provider."""
    delivers: Annotated[tuple[Literal["voice", "sms"], ...], Field(strict=False, min_length=1)] = Field(
        ..., alias="methods", examples=[["sms"]]
    )
    """What the gateway does: [sms] sends text messages, [voice] places calls; or both."""
    method: Literal["GET", "POST", "PUT"] = "POST"
    """The method of the request."""
    url: Annotated[str, URL_TEMPLATE]
    """The URL of the request; a template after the host."""
    allow_http: bool = False
    """Allows an http:// URL with a private address, so that codes and secrets are sent in clear text."""
    headers: dict[Annotated[str, Field(pattern=HEADER_NAME)], str] = Field(
        default_factory=dict, examples=[{"Authorization": "Bearer {secret.api_key}"}]
    )
    """Headers of the request; their values are templates."""
    content_type: Literal["form", "json", "xml", "text"] | None = None
    """The type of the body, which determines how values are escaped; required with body."""
    body: str | None = Field(None, min_length=1)
    """The body of the request; a template."""
    secrets: dict[SecretName, Secret] = Field(default_factory=dict, examples=[{"api_key": {"file": "sms-api-key"}}])
    """Secrets by names of your own; templates use them as {secret.NAME}."""
    basic_auth: BasicAuthSettings | None = None
    """The user name and password of HTTP's basic authentication."""
    responses: Annotated[tuple[ResponseRuleSettings, ...], Field(strict=False)] = file_default(
        [], examples=[[{"status": 422, "result": "number_rejected"}]]
    )
    """What responses mean; the first rule that applies counts."""
    reference: FieldPath | None = None
    """The path to the gateway's reference of the delivery in a body of JSON, for the audit log."""

    @model_validator(mode="after")
    def _belongs_together(self) -> HttpRequestSettings:
        if len(set(self.delivers)) < len(self.delivers):
            raise KeyProblem("a method is listed twice; remove one", "methods")
        if self.body is None and self.content_type is not None:
            raise KeyProblem("is the type of a body; write body, or remove it", "content_type")
        if self.body is not None and self.content_type is None:
            raise KeyProblem("needs content_type: form, json, xml or text", "body")
        if self.body is not None and self.method == "GET":
            raise KeyProblem("a GET request has none; write method: POST, or put the values into url", "body")
        if self.basic_auth is not None and any(name.lower() == "authorization" for name in self.headers):
            raise KeyProblem("is a second Authorization beside the header; remove one of them", "basic_auth")
        return self

    def hidden_value(self, field: str) -> Any:
        """Templates without their texts, in which a secret may have been written."""
        match field:
            case "url":
                return self.url_parts[0] + templates.without_texts(self.url_parts[1])
            case "headers":
                return {name: templates.without_texts(text) for name, text in self.headers.items()}
            case "body" if self.body is not None:
                return templates.without_texts(self.body)
        return super().hidden_value(field)

    @property
    def methods(self) -> tuple[Method, ...]:
        """How this provider delivers codes."""
        return tuple(method for method in self.METHODS if method.value in self.delivers)

    @property
    def url_parts(self) -> tuple[str, str]:
        """Scheme, host and port of the URL, and the template that follows."""
        found = URL_PARTS.fullmatch(self.url)
        return (found[1], found[2] or "/") if found else (self.url, "/")

    @property
    def server_url(self) -> str:
        """Scheme, host and port of the URL."""
        return self.url_parts[0]

    @property
    def template_texts(self) -> Mapping[tuple[str, ...], str]:
        """All templates, by their paths."""
        texts: dict[tuple[str, ...], str] = {("url",): self.url}
        texts |= {("headers", name): text for name, text in self.headers.items()}
        return texts if self.body is None else {**texts, ("body",): self.body}

    @property
    def used_names(self) -> frozenset[str]:
        """The names of all placeholders."""
        return frozenset(name for text in self.template_texts.values() for name in templates.names_in(text))

    def errors(self, context: RuleContext) -> Iterator[Diagnostic]:
        """Its templates must have known placeholders where values can be escaped, and codes must not be readable."""
        for path, text in self.template_texts.items():
            yield from ((path, problem) for problem in templates.name_problems(text, self.secrets))
        yield from self._template_errors()
        yield from self._incomplete()
        if not context.development:
            yield from self._readable_on_the_way()
        yield from super().errors(context)

    def warnings(self) -> Iterator[Diagnostic]:
        """Codes in clear text; secrets that no template uses."""
        if self.allow_http:
            yield ("allow_http",), "codes and secrets are sent in clear text; use https:// if the gateway supports it"
        for name in self.secrets:
            if templates.NAMESPACE + name not in self.used_names:
                yield (
                    ("secrets", name),
                    f"is used by no template; write {{{templates.NAMESPACE}{name}}} where it belongs",
                )

    def _template_errors(self) -> Iterator[Diagnostic]:
        if problem := templates.url_problem(self.url_parts[1]):
            yield ("url",), problem
        for name, text in self.headers.items():
            if name.lower() in OF_CONNECTION:
                yield ("headers", name), "belongs to the connection, which sets it; remove it"
            elif problem := templates.header_problem(text):
                yield ("headers", name), problem
        if self.body is not None and self.content_type is not None:
            problem = templates.body_problem(self.body, self.content_type)
            if problem:
                yield ("body",), problem

    def _incomplete(self) -> Iterator[Diagnostic]:
        key = "url" if self.body is None else "body"
        if self.used_names.isdisjoint(templates.CODE):
            yield (key,), "no template has the code; write {text}, {code} or {code_spaced} where the gateway expects it"
        if self.used_names.isdisjoint({*templates.NUMBER, *templates.SIP}):
            yield (key,), "no template has the phone; write {phone} or {phone_digits} where the gateway expects it"

    def _readable_on_the_way(self) -> Iterator[Diagnostic]:
        parts = urlsplit(self.url_parts[0])
        host = parts.hostname or ""
        if parts.scheme == "https" or is_loopback(host):
            if self.allow_http:
                yield ("allow_http",), "is for an http:// URL of another machine; remove it"
        elif not self.allow_http:
            fix = "write https://, or, for a private address, also allow_http: true"
            yield ("url",), f"would send codes and secrets in clear text; {fix}"
        elif not _is_private(host):
            yield ("url",), "allow_http is for private addresses like 192.168.1.10 only; write https://"


def _is_private(host: str) -> bool:
    """Whether a host is written as an address of a private network."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return False
