"""Prices of deliveries, and budgets of a day."""

import time

import pytest

from radius_voice.config.errors import ConfigError
from radius_voice.config.prices import prices_in, shipped_prices
from radius_voice.login.limits.costs import Prices
from radius_voice.login.limits.success import SuccessRule
from radius_voice.login.model import Method, User
from radius_voice.login.phone import Phone
from radius_voice.operations.shown_limits import earlier_budgets, shared_limits
from radius_voice.resources import shipped
from radius_voice.wiring.adapters import load
from radius_voice.wiring.cost_of_day import cost_text
from radius_voice.wiring.limits import limits_of

HEAD = "prefix,method,price\n"
LEAST = HEAD + "+,voice,1.50\n+,sms,0.4\n"


@pytest.fixture
def loaded(tmp_path):
    """Loads a configuration with these lines in `delivery` and these after it, and a file of prices."""

    def loaded(delivery="", more="", prices=LEAST):
        (tmp_path / "prices.csv").write_bytes(prices if isinstance(prices, bytes) else prices.encode())
        (tmp_path / "users.yaml").touch()
        path = tmp_path / "radius-voice.yaml"
        path.write_text(f"""\
clients: {{vpn: {{address: 10.0.0.1, secret: a secret of the tests}}}}
identity: {{people: {{type: users_file, path: users.yaml}}}}
delivery:
  friendly_name: ACME VPN
  providers:
    twilio: {{type: twilio-voice, account_sid: AC{"1" * 32}, auth_token: token, from: "+14155550123"}}
{delivery}
{more}
""")
        path.chmod(0o600)
        return load(path, {}).settings

    return loaded


def test_a_file_of_prices_that_is_too_large_is_an_error_and_not_cut(loaded, monkeypatch):
    text = LEAST + "+49,voice,1.25"
    monkeypatch.setattr("radius_voice.config.prices.MAX_FILE_OCTETS", len(text) - 1)
    with pytest.raises(ConfigError, match=f"prices.csv is larger than {len(text) - 1} octets"):
        loaded("  prices: prices.csv", prices=text)
    monkeypatch.setattr("radius_voice.config.prices.MAX_FILE_OCTETS", len(text))
    assert 12_500 == loaded("  prices: prices.csv", prices=text).delivery.prices.by_method["voice"]["+49"]


def test_a_file_of_prices_that_others_can_write_is_an_error(loaded, tmp_path):
    loaded("  prices: prices.csv")
    for path, mode in ((tmp_path / "prices.csv", 0o646), (tmp_path, 0o777)):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(ConfigError, match="is writable by other users"):
            load(tmp_path / "radius-voice.yaml", {})
        path.chmod(before)


def test_a_file_of_prices_replaces_those_of_the_program(loaded):
    text = "# a comment, with commas\n\n" + LEAST + ' +49 , voice , 0.0123 \n"+4915",voice,2\n+49,sms,0\n'
    settings = loaded("  prices: prices.csv\n  currency: EUR", prices=b"\xef\xbb\xbf" + text.encode())
    expected = {"voice": {"+": 15000, "+49": 123, "+4915": 20000}, "sms": {"+": 4000, "+49": 0}}
    assert (Prices(expected), "EUR") == (settings.delivery.prices, settings.delivery.currency)


@pytest.mark.parametrize(
    ("prices", "problem"),
    [
        ("", "1: has no voice price for all other numbers; add a line like +,voice,0.50"),
        (HEAD + "+,voice,1\n", "1: has no sms price for all other numbers; add a line like +,sms,0.50"),
        ("prefix;method;price\n", "1: the first line must be prefix,method,price"),
        ("+,voice,1\n", "1: the first line must be prefix,method,price"),
        (LEAST + "49,voice,1\n", "4: not a prefix; write + and digits without spaces, like +49 or +4915"),
        (LEAST + "+49 15,voice,1\n", "4: not a prefix"),
        (LEAST + "+49,fax,1\n", "4: the method must be voice or sms"),
        (LEAST + "+49,voice\n", "4: must have the columns prefix,method,price"),
        (LEAST + "+,voice,1\n", "4: + already has a voice price; remove one of the two lines"),
        (LEAST + "+49,voice,1 USD\n", "4: not an amount of money; write it like 2.00"),
        (LEAST + "+49,voice,0.00001\n", "4: not an amount of money"),
        (LEAST + "+49,voice,-1\n", "4: must be between 0 and 1000000"),
        (LEAST + "+49,voice,NaN\n", "4: not an amount of money"),
        (LEAST + "+49,voice,Infinity\n", "4: not an amount of money"),
        (LEAST + "+49,voice,1e999999\n", "4: not an amount of money"),
        (LEAST + "+49,voice,1e-999999999\n", "4: not an amount of money"),
        (LEAST + "+49,voice,1_000\n", "4: not an amount of money"),
        (LEAST + "+49,voice,\u0661\n", "4: not an amount of money"),
        (LEAST.encode() + b"\xff", "4: is not UTF-8; save the file as UTF-8"),
        (LEAST + "+" + "1" * 200_000 + ",voice,1\n", "4: is not CSV; write lines of prefix,method,price"),
    ],
)
def test_an_error_in_a_file_of_prices_names_the_file_and_the_line(loaded, tmp_path, prices, problem):
    with pytest.raises(ConfigError) as error:
        loaded("  prices: prices.csv", prices=prices)
    assert any(each.startswith(f"{tmp_path / 'prices.csv'}:{problem}") for each in error.value.errors)


def test_all_errors_in_a_file_of_prices_are_reported_with_those_of_other_files(loaded, tmp_path):
    prices = HEAD + "+,voice,1 USD\n49,voice,1\n+49,fax,1\n+1,sms,0.01\n"
    with pytest.raises(ConfigError) as error:
        loaded("  prices: prices.csv\n  currency: EUR\n  voices: {}", prices=prices)
    path = tmp_path / "prices.csv"
    expected = [
        f"{tmp_path / 'radius-voice.yaml'}:9: delivery.voices: unknown key; did you mean voice?",
        f"{path}:1: has no sms price for all other numbers; add a line like +,sms,0.50",
        f"{path}:2: not an amount of money; write it like 2.00, with at most four decimals",
        f"{path}:3: not a prefix; write + and digits without spaces, like +49 or +4915, or sip:",
        f"{path}:4: the method must be voice or sms",
    ]
    assert expected == list(error.value.errors)


def test_the_prices_of_the_program_have_no_errors():
    assert [] == prices_in((shipped("config") / "prices.csv").read_text(), "prices.csv")[1]


@pytest.mark.parametrize(
    ("delivery", "more", "problem"),
    [
        ("  prices: other.csv", "", "No such file or directory; correct the path or create the file"),
        ("  prices: .", "", "a directory, not a regular file"),
        ("  currency: EUR", "", "delivery.currency: the prices of the program are in USD; name a file in prices"),
        ("  currency: euro", "", "delivery.currency"),
        ("", "limits: {cost_per_day: {total: 0}}", "0 would stop every delivery; write a larger amount, or off"),
        ("", "limits: {cost_per_day: {total: '20'}}", "write an amount of money like 20.00, without quotes"),
        ("", "limits: {cost_per_day: {total: true}}", "write an amount of money like 20.00"),
        ("", "limits: {cost_per_day: {total: 20 USD}}", "write an amount of money like 20.00"),
        ("", "limits: {cost_per_day: {total: 0.12345}}", "not an amount of money; write it like 2.00"),
        ("", "limits: {cost_per_day: {total: -1}}", "must be between 0 and 1000000"),
        ("", "limits: {cost_per_day: {total: 1000001}}", "must be between 0 and 1000000"),
        ("", "limits: {cost_per_day: {countries: {Latvia: 1}}}", "ISO 3166"),
        ("", "limits: {success: {calls: 10, users: 11}}", "success.users: must be at most limits.success.calls"),
        ("", "limits: {success: {floor: 0}}", "must be at least 0.01"),
        ("", "limits: {success: {window: 5m}}", "must be between 10m and 1d"),
    ],
)
def test_what_no_price_or_budget_can_be_is_an_error(loaded, delivery, more, problem):
    with pytest.raises(ConfigError) as error:
        loaded(delivery, more)
    assert problem in str(error.value)


def test_budgets_are_exact(loaded):
    section = loaded(more="limits: {cost_per_day: {user: 0.1, country: off, total: 100, countries: {LV: 2.0001}}}")
    budgets = section.limits.cost_per_day
    assert (1000, None, 1_000_000, {"LV": 20_001}) == (
        budgets.user,
        budgets.country,
        budgets.total,
        budgets.countries,
    )


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("", "at most 12000.00 USD a day at the configured prices (limits.calls_per_day.total)"),
        (
            "limits: {cost_per_day: {total: 50}}",
            "at most 50.00 USD a day at the configured prices (limits.cost_per_day.total)",
        ),
        ("limits: {calls_per_day: {total: off}}", "not limited; limits.cost_per_day.total can limit it"),
        (
            "policies: {default: {countries: [DE]}}",
            "at most 3200.00 USD a day at the configured prices (limits.calls_per_day.total)",
        ),
        (
            "policies: {default: {countries: [US]}}",
            "at most 4000.00 USD a day at the configured prices (limits.calls_per_day.total)",
        ),
        (
            "policies: {default: {countries: [DE], methods: [voice], allow_numbers: ['+3712']}}",
            "at most 12000.00 USD a day at the configured prices (limits.calls_per_day.total)",
        ),
        (
            "policies: {default: {countries: [DE], challenge: {ring_timeout: 31s}}}",
            "at most 4800.00 USD a day at the configured prices (limits.calls_per_day.total)",
        ),
    ],
)
def test_check_tells_the_most_that_a_day_can_cost(loaded, more, text):
    assert text == cost_text(loaded(more=more))


def test_text_messages_cost_their_longest_text(loaded, tmp_path):
    settings = loaded(more="policies: {default: {countries: [DE]}}")
    policy = settings.policies["default"].model_copy(update={"methods": ("sms",)})
    assert "at most 2400.00 USD" in cost_text(settings.model_copy(update={"policies": {"default": policy}}))


def test_the_floor_of_right_codes_has_defaults_once_it_is_configured(loaded):
    assert loaded().limits.success is None
    rule = limits_of(loaded(more="limits: {success: {}}")).success
    assert SuccessRule(0.2, 50, 10, 3600.0) == rule


def test_the_budgets_of_a_user_on_the_days_before_are_known_so_that_they_are_deleted_with_the_user(loaded):
    settings = loaded(more="limits: {cost_per_day: {user: 1, total: 2}}")
    earlier = list(earlier_budgets(settings, "people", User("alice-id", "alice")))
    days = [int(each.subject.removeprefix("people:alice-id ")) for each in earlier]
    assert [1, 2, 3] == [int(time.time() // 86400) - day for day in days]
    assert [] == list(earlier_budgets(loaded(), "people", User("alice-id", "alice")))


def test_the_prices_of_the_program_are_higher_for_islands_than_for_the_rest_of_their_country_code():
    price = shipped_prices().price
    numbers = ("+12025550123", "+18765550123", "+37129123456")
    assert [200, 5000, 15000] == [price(Method.VOICE, Phone(number)) for number in numbers]
    assert all(price(Method.SMS, Phone(number)) for number in numbers)


def test_limits_and_budgets_of_a_sip_domain_are_shown_and_may_replace_those_of_a_country(loaded):
    more = """\
policies: {default: {sip_domains: [PBX.example.org]}}
limits:
  calls_per_day: {countries: {"sip:PBX.example.net": 5 per 24h}}
  cost_per_day: {country: 10, countries: {"sip:192.0.2.7": 1}}
"""
    shown = [(each.limit.name, each.subject.partition(" ")[0]) for each in shared_limits(loaded(more=more))]
    assert ("calls_per_day.country", "sip:pbx.example.org") in shown
    assert ("cost_per_day.country", "sip:pbx.example.org") in shown
    assert ("calls_per_day.countries.sip:pbx.example.net", "sip:pbx.example.net") in shown
    assert ("cost_per_day.countries.sip:192.0.2.7", "sip:192.0.2.7") in shown


@pytest.mark.parametrize(("line", "price"), [("", 0), ("sip:,voice,0.01\n", 100)])
def test_calls_to_sip_addresses_cost_nothing_unless_the_file_has_their_price(line, price):
    prices, _ = prices_in(LEAST + line, "prices.csv")
    addresses = Phone("sip:3105@pbx.example.org"), Phone("sips:+4930123456@192.0.2.7")
    assert [price] * 2 == [prices.price(Method.VOICE, address) for address in addresses]
    assert 0 == prices.price(Method.SMS, addresses[0])


def test_a_header_after_comments_is_read():
    assert prices_in("#\n\n" + LEAST, "prices.csv") == prices_in(LEAST, "prices.csv")
