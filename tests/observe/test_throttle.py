from __future__ import annotations

from radius_voice.observe.throttle import Throttle


def test_one_a_second_passes_with_the_number_of_suppressed_ones(clock):
    pace = Throttle(1.0, clock)

    assert {} == pace.admit("hq-vpn", "malformed")
    assert pace.admit("hq-vpn", "malformed") is None
    assert pace.admit("hq-vpn", "duplicate") is None
    assert pace.admit("hq-vpn", "duplicate") is None
    clock.pass_by(1.0)
    assert {"malformed": 1, "duplicate": 2} == pace.admit("hq-vpn", "malformed")
    clock.pass_by(1.0)
    assert {} == pace.admit("hq-vpn", "malformed")


def test_one_client_does_not_suppress_another(clock):
    pace = Throttle(1.0, clock)

    pace.admit("hq-vpn", "malformed")

    assert {} == pace.admit("branch-vpn", "malformed")
