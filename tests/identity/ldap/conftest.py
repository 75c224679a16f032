"""One slapd for all tests that only add entries, and sources on it."""

import itertools
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from radius_voice.config.context import LoadContext
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.ldap.settings import LdapSettings
from radius_voice.identity.ldap.source import create
from radius_voice.identity.passwords import Hasher
from radius_voice.login.model import PapPassword, Verification
from tests.support.network import LOOPBACK
from tests.support.slapd_server import BASE, READER, READER_PASSWORD, SlapdServer

NUMBERS = itertools.count(1)
DEADLINE = 2.5


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """PEM files of a server's certificate for 127.0.0.1, its key and its authority."""
    directory = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    issued = authority.issue_cert(LOOPBACK)
    paths = directory / "server.pem", directory / "server.key", directory / "ca.pem"
    issued.cert_chain_pems[0].write_to_path(paths[0])
    issued.private_key_pem.write_to_path(paths[1])
    authority.cert_pem.write_to_path(paths[2])
    paths[1].chmod(0o600)  # Samba requires it
    return paths


@pytest.fixture(scope="session")
def slapd(certificates, tmp_path_factory):
    server = SlapdServer(tmp_path_factory.mktemp("slapd"), certificates)
    yield server
    server.stop()


@pytest.fixture
def own_slapd(certificates, tmp_path):
    """A slapd that the test may stop and suspend."""
    server = SlapdServer(tmp_path / "slapd", certificates)
    yield server
    server.stop()


@pytest.fixture
def user_name():
    """A name that no other test uses."""
    return f"user{next(NUMBERS)}"


def settings(*servers: str, **values: Any) -> LdapSettings:
    """A section with the service account of slapd, as the configuration has it."""
    account = {"bind_dn": READER, "bind_password": READER_PASSWORD} if "bind_dn" not in values else {}
    section = {"type": "ldap", "servers": list(servers), "base": BASE, **account, **values}
    return LdapSettings.model_validate(
        {key: value for key, value in section.items() if value is not None},
        context=LoadContext(Path(), {}),
    )


class LdapHarness:
    """Sources with their warnings, and short forms of their methods."""

    def __init__(self):
        self.warnings = []
        self.sources = []
        self.hasher = Hasher(threads=1)

    def source(self, *servers, **values):
        source = create("corp", settings(*servers, **values), IdentityContext(self.hasher, self.warnings.append))
        self.sources.append(source)
        return source

    async def close(self):
        self.hasher.close()
        for source in self.sources:
            await source.close()


@pytest.fixture
async def ldap():
    harness = LdapHarness()
    yield harness
    await harness.close()


async def verified(source, name, password="correct horse", seconds=DEADLINE):
    """The result of a verification that has `seconds`."""
    return await source.verify(Verification(name, PapPassword(password)), time.monotonic() + seconds)


async def found(source, name, seconds=DEADLINE):
    return await source.find(name, time.monotonic() + seconds)
