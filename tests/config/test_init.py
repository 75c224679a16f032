from __future__ import annotations

import stat

import pytest

from radius_voice.config.errors import ConfigError
from radius_voice.config.init import write_configuration
from radius_voice.wiring import load


def test_the_file_that_init_writes_loads_and_says_what_to_fill_in(tmp_path):
    main, *_ = write_configuration(tmp_path / "new" / "folder")
    warnings = "\n".join(load(main, {}).warnings)
    for key in ("office-vpn.address", "twilio.account_sid", "twilio.auth_token", "twilio.from"):
        assert f"{key}: " in warnings


def test_a_filled_in_configuration_gets_no_warning(tmp_path):
    main, *_, token = write_configuration(tmp_path)
    text = main.read_text().replace("192.0.2.10", "10.0.0.1").replace("+15005550006", "+14155550123")
    main.write_text(text.replace("AC" + "0" * 32, "AC" + "1" * 32))
    token.write_text("the token of the account\n")
    assert () == load(main, {}).warnings


def test_each_configuration_has_its_own_secret(tmp_path):
    secrets = set()
    for name in ("one", "two"):
        main, *_ = write_configuration(tmp_path / name)
        (secret,) = load(main, {}).settings.clients["office-vpn"].secret
        assert 32 == len(secret.get_secret_value())
        secrets.add(secret.get_secret_value())
    assert 2 == len(secrets)


def test_no_other_user_can_read_what_init_writes(tmp_path):
    for path in write_configuration(tmp_path):
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_init_overwrites_nothing(tmp_path):
    (tmp_path / "users.yaml").write_text("mine: 1\n")
    with pytest.raises(ConfigError, match=r"users\.yaml: exists and is not overwritten"):
        write_configuration(tmp_path)
    assert ["users.yaml"] == [path.name for path in tmp_path.iterdir()]


def test_a_directory_that_cannot_be_created_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_configuration(tmp_path / "file")
