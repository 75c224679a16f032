"""Private keys in PEM: where they come from, and which are refused."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from radius_voice.config.secrets import unavailable_in
from radius_voice.delivery.vonage_voice.settings import VonageVoiceSettings
from radius_voice.wiring.adapters import load, provider_of
from tests.config.conftest import changed
from tests.support.vonage_double import APPLICATION, ec_key, pem, private_key

KEY = "delivery.providers.vonage.private_key"
PROVIDER = {"type": "vonage-voice", "application_id": APPLICATION, "from": "+12025550100"}


def with_key(value):
    return changed("delivery.providers.vonage", {**PROVIDER, "private_key": value})


def key_of(settings):
    provider = settings.delivery.providers["vonage"]
    assert isinstance(provider, VonageVoiceSettings)
    return provider.private_key


@pytest.mark.parametrize("source", ["file", "env", "credential", "text"])
def test_a_private_key_comes_from_every_source_of_secrets(file, write, tmp_path, source):
    write("vonage.key", pem())
    file.environ = {"VONAGE_KEY": pem(), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    value = {
        "file": {"file": "vonage.key"},
        "env": {"env": "VONAGE_KEY"},
        "credential": {"credential": "vonage.key"},
        "text": pem(),
    }
    settings = file.load(with_key(value[source])).settings
    assert pem().strip() == key_of(settings).get_secret_value().strip()
    assert pem().splitlines()[1] not in repr(settings) + settings.model_dump_json()
    assert isinstance(provider_of("vonage", settings.delivery.providers["vonage"]).call_control, object)


def test_a_configuration_that_contains_a_private_key_is_not_readable_by_others(file):
    file.load(with_key(pem()))
    tree = with_key(pem())
    tree["clients"]["office-vpn"]["secret"] = {"env": "GATEWAY"}
    tree["delivery"]["providers"].pop("twilio")
    file.environ["GATEWAY"] = "a secret of the environment"
    file.load(tree)
    file.path.chmod(0o644)
    with pytest.raises(Exception, match="is readable by other users"):
        load(file.path, file.environ)


def encrypted():
    algorithm = serialization.BestAvailableEncryption(b"passphrase")
    return private_key().private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, algorithm)


def public():
    return (
        private_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


NOT_PEM = "is not a private key in PEM; write {file: PATH} with the key file of the provider, unchanged"
WRONG = {
    "another text": (b"a secret of the service", NOT_PEM),
    "a part": (pem().encode()[:900], NOT_PEM),
    "a public key": (public(), NOT_PEM),
    "nothing": (b"\n", NOT_PEM),
    "a key of another kind": (pem(ec_key()).encode(), "is not an RSA key"),
    "a short key": (pem(rsa.generate_private_key(65537, 1024)).encode(), "has 1024 bits, and at least 2048 are"),
    "an encrypted key": (encrypted(), "is encrypted with a passphrase; store the key without one"),
    "octets that are not text": (b"\xe9" * 100, "is not UTF-8 text"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_key_that_cannot_sign_is_refused_and_not_shown(file, write, wrong):
    content, expected = WRONG[wrong]
    write("vonage.key", "").write_bytes(content)
    (error,) = file.errors(with_key({"file": "vonage.key"}))
    assert f"{KEY}: vonage.key {expected}" in error
    assert not any(line in error for line in content.decode("latin-1").split("\n")[1:] if line)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("vonage.key", f"the text {NOT_PEM}"),
        (5, "in quotes"),
        (None, "has no value"),
        (["a"], "must be text"),
        ({"file": "a", "env": "B"}, "must have one key"),
        ({"fil": "a"}, "did you mean file"),
    ],
)
def test_any_other_value_is_refused_with_its_fix(file, value, expected):
    (error,) = [line for line in file.errors(with_key(value)) if KEY in line]
    assert expected in error


def test_commands_load_without_a_key_that_only_the_service_can_read(file):
    file.errors(with_key({"env": "NOT_HERE"}))
    settings = load(file.path, {}, for_service=False).settings
    ((key, _),) = unavailable_in(settings)
    assert KEY == key
    with pytest.raises(ValueError, match=KEY):
        provider_of("vonage", settings.delivery.providers["vonage"])
