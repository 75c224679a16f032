"""A provider and an identity source that only tests have: nothing of the program is edited for them."""

import time
from dataclasses import replace
from importlib import import_module
from typing import get_args

import jsonschema
import msgspec
import pytest
import yaml

from radius_voice.cli.call import _request as place_test_call
from radius_voice.config.errors import ConfigError
from radius_voice.config.messages_file import SECTIONS
from radius_voice.config.schema import json_schema, settings_type
from radius_voice.events import Outcome, Reason
from radius_voice.identity.passwords import Hasher
from radius_voice.login.codes.keys import Keys
from radius_voice.login.deliveries.requests import CodeMessage, DeliveryRequest
from radius_voice.login.model import AuthRequest, PapPassword
from radius_voice.login.phone import Phone
from radius_voice.messages import SHIPPED
from radius_voice.service.user_warnings import user_warnings
from radius_voice.service.verification_time import slow_verifications
from radius_voice.stores.memory import MemoryStore
from radius_voice.trace import Trace
from radius_voice.wiring.adapters import ADAPTERS, Adapter, load, missing_packages, provider_of, user_editor
from radius_voice.wiring.generation import BuiltGeneration, Shared, build
from tests.adapters.pager.provider import Pager
from tests.adapters.pager.settings import PagerSettings
from tests.adapters.staff_list.settings import StaffListSettings
from tests.adapters.staff_list.source import StaffList

PASSWORD, PHONE = "correct horse", "+14155550123"
MORE = replace(
    ADAPTERS,
    identity=(*ADAPTERS.identity, Adapter(StaffListSettings, "tests.adapters.staff_list.source")),
    providers=(*ADAPTERS.providers, Adapter(PagerSettings, "tests.adapters.pager.provider")),
)


def configuration(**pager):
    return {
        "clients": {"gateway": {"address": "10.0.0.1", "secret": "a-secret-of-twenty-characters"}},
        "identity": {"staff": {"type": "staff-list", "names": ["alice"], "phone": PHONE, "password": PASSWORD}},
        "delivery": {"friendly_name": "ACME VPN", "providers": {"beep": {"type": "pager", "channel": 3, **pager}}},
        "store": {"type": "memory"},
    }


@pytest.fixture
def loaded(tmp_path):
    def loaded(tree, adapters=MORE):
        path = tmp_path / "radius-voice.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        path.chmod(0o600)
        return load(path, {}, adapters=adapters)

    return loaded


@pytest.fixture
def shared():
    hasher = Hasher(threads=1)
    store = MemoryStore(time.time)
    yield Shared(Keys(b"k" * 32), store, hasher, lambda _: None, time.monotonic, lambda _: None, b"k" * 32)
    hasher.close()


def pager_of(built: BuiltGeneration) -> Pager:
    provider = built.providers["beep"]
    assert isinstance(provider, Pager)
    return provider


def source_of(built: BuiltGeneration) -> StaffList:
    source = built.identity["staff"]
    assert isinstance(source, StaffList)
    return source


def request(password, state=None):
    now = time.monotonic()
    return AuthRequest(
        client="gateway",
        policy="default",
        user_name="alice",
        credentials=PapPassword(password),
        calling_station_id="",
        authenticator=password.encode().ljust(16),
        arrived=now,
        deadline=now + 5,
        state=state,
    )


async def test_a_login_with_a_provider_and_an_identity_source_of_the_tests(loaded, shared):
    built = build(loaded(configuration()).settings, shared, adapters=MORE)
    trace = Trace(0.0, time.monotonic)

    challenge = await built.flow.begin(request(PASSWORD), trace)
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == (challenge.outcome, challenge.reason)
    ((phone, code),) = pager_of(built).sent
    assert PHONE == phone
    accept = await built.flow.respond(request(code, challenge.state), trace)
    assert (Outcome.ACCEPT, Reason.CODE_CORRECT) == (accept.outcome, accept.reason)

    await built.flow.drain()
    await built.close()
    assert source_of(built).closed
    assert pager_of(built).closed


async def test_a_wrong_password_is_rejected_by_the_source(loaded, shared):
    built = build(loaded(configuration()).settings, shared, adapters=MORE)
    decision = await built.flow.begin(request("wrong"), Trace(0.0, time.monotonic))
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD) == (decision.outcome, decision.reason)
    assert [] == pager_of(built).sent


async def test_a_source_whose_section_did_not_change_is_kept_and_closed_by_its_last_generation(loaded, shared):
    first = build(loaded(configuration()).settings, shared, adapters=MORE)
    second = build(loaded(configuration(channel=4)).settings, shared, first, adapters=MORE)
    assert source_of(first) is source_of(second)

    await first.close(still_used=second.identity.values())
    assert pager_of(first).closed
    assert not source_of(second).closed
    await second.close()
    assert source_of(second).closed


async def test_a_source_is_created_again_when_users_may_have_other_languages(loaded, shared, tmp_path):
    tree, texts = configuration(), tmp_path / "messages.yaml"
    tree["delivery"]["messages"] = texts.name
    english = {each: msgspec.structs.asdict(getattr(SHIPPED.default, each)) for each in SECTIONS}
    built: list[BuiltGeneration] = []
    contents: list[dict[str, object]] = [{"en": {}}, {"en": {"shown": {"rejected": "No."}}}, {"pl": english}]
    for content in contents:
        texts.write_text(yaml.safe_dump(content))
        built.append(build(loaded(tree).settings, shared, built[-1] if built else None, adapters=MORE))
    first, second, third = map(source_of, built)
    assert first is second
    assert first is not third
    for each in built:
        await each.close()


async def test_the_call_command_does_not_follow_a_call_that_its_provider_cannot_query(capsys):
    pager = provider_of("beep", PagerSettings(type="pager", channel=3), MORE)
    message = CodeMessage("en", "ACME VPN", "1234")
    assert await place_test_call(pager, "beep", DeliveryRequest(Phone(PHONE), message, 30)) is True
    assert (
        "beep: calling +14*******23, call page-1\nbeep: the status of its calls is not available\n"
        == capsys.readouterr().out
    )


def test_rules_of_a_section_are_reported_with_file_line_and_key_beside_all_other_errors(loaded):
    tree = configuration(channel=9)
    tree["clients"]["gateway"]["address"] = "nowhere"
    with pytest.raises(ConfigError) as caught:
        loaded(tree)
    places = [error.split(": ", 1)[1].partition(": ")[0] for error in caught.value.errors]
    assert ["clients.gateway.address", "delivery.providers.beep.channel"] == places
    assert ["staff"] == list(caught.value.identity)


def test_warnings_of_a_section_are_reported(loaded):
    (warning,) = loaded(configuration(channel=1)).warnings
    assert warning.endswith("delivery.providers.beep.channel: is used by all users; another one is quieter")


def test_a_type_that_the_tables_do_not_have_is_an_error_that_names_those_they_have(loaded):
    with pytest.raises(ConfigError) as caught:
        loaded(configuration(), ADAPTERS)
    known = [adapter.settings.model_fields["type"].annotation for adapter in ADAPTERS.providers]
    names = ", ".join(repr(name) for kind in known for name in get_args(kind))
    assert any(f"beep.type: is not a known type; known are {names}" in each for each in caught.value.errors)


def test_the_json_schema_has_the_sections_of_the_tables():
    validator = jsonschema.Draft202012Validator(json_schema(settings_type(MORE.sections)))
    assert not list(validator.iter_errors(configuration()))
    assert list(validator.iter_errors(configuration(channel=10)))


def test_a_source_that_cannot_list_its_users_gets_no_warnings_about_them(loaded, shared):
    settings = loaded(configuration()).settings
    identity = build(settings, shared, adapters=MORE).identity
    assert [] == list(user_warnings(settings, identity))
    assert [] == list(slow_verifications(identity, {"gateway": 2.5}))


def test_packages_that_are_missing_are_named_with_the_command_that_installs_them(loaded, monkeypatch):
    settings = loaded(configuration()).settings
    assert [] == missing_packages(settings, MORE)
    monkeypatch.setattr(PagerSettings, "EXTRA", "pager")
    absent = replace(MORE, providers=(Adapter(PagerSettings, "tests.adapters.absent"),))
    (problem,) = missing_packages(settings, absent)
    assert "delivery.providers.beep.type: pager needs additional packages" in problem
    assert "pip install 'radius-voice[pager]'" in problem


@pytest.mark.parametrize("adapter", [*ADAPTERS.identity, *ADAPTERS.providers, *ADAPTERS.stores])
def test_every_adapter_of_the_tables_can_be_created(adapter):
    assert callable(import_module(adapter.module).create)


def test_the_users_of_a_source_without_an_editor_are_not_changed_by_commands(loaded):
    section = loaded(configuration()).settings.identity["staff"]
    with pytest.raises(
        ValueError, match=r"identity\.staff: radius-voice cannot list or change users of type staff-list"
    ):
        user_editor("staff", section, adapters=MORE)
