from multidict import MultiDict

from radius_voice.simulator import calls
from radius_voice.simulator.call_requests import CallRequest, call_request_of
from radius_voice.simulator.calls import Calls, CallTimings, new_call

PACE = CallTimings(queued=1, ringing=2, talking=3)


def call(to):
    wanted = call_request_of(
        MultiDict({"To": to, "From": "+15005550006", "Twiml": "<Response><Say>hello</Say></Response>"})
    )
    assert isinstance(wanted, CallRequest)
    return new_call(wanted, "human", PACE, 0)


def test_the_oldest_call_is_removed_beyond_the_maximum(monkeypatch):
    monkeypatch.setattr(calls, "KEPT", 2)
    kept, made = Calls(), [call("+14155550121"), call("+14155550122"), call("+14155550122")]
    for each in made:
        kept.add(each)
    assert made[1:] == list(kept.oldest_first())
    assert None is kept.get(made[0].sid)
    assert [] == list(kept.oldest_first("+14155550121"))
    assert made[:0:-1] == list(kept.newest_first("+14155550122"))
