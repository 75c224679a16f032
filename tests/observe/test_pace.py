from __future__ import annotations

from radius_voice.observe.pace import Pace


def test_one_a_second_passes_and_says_what_was_held_back(clock):
    pace = Pace(1.0, clock)

    assert {} == pace.admit("hq-vpn", "malformed")
    assert pace.admit("hq-vpn", "malformed") is None
    assert pace.admit("hq-vpn", "duplicate") is None
    assert pace.admit("hq-vpn", "duplicate") is None
    clock.pass_by(1.0)
    assert {"malformed": 1, "duplicate": 2} == pace.admit("hq-vpn", "malformed")
    clock.pass_by(1.0)
    assert {} == pace.admit("hq-vpn", "malformed")


def test_one_client_does_not_hold_back_another(clock):
    pace = Pace(1.0, clock)

    pace.admit("hq-vpn", "malformed")

    assert {} == pace.admit("branch-vpn", "malformed")
