import pytest

from radius_voice.simulator.twiml import BadTwiml, code_in, spoken_text


def response(inside):
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>'


def test_spoken_text_is_one_string_and_a_long_pause_ends_a_sentence():
    twiml = response(
        '<Say>Hello.</Say><Pause/><Say language="en-US">Your code is</Say><Pause length="1"/><Say>4</Say><Pause length="2"/><Say>Bye</Say>'
    )
    assert "Hello. Your code is 4. Bye" == spoken_text(twiml)


def test_a_loop_repeats_its_text():
    assert "one one one two" == spoken_text(response('<Say loop="3">one</Say><Say>two</Say>'))


def test_white_space_and_entities_are_spoken_as_text():
    assert "R&D <b> Zürich" == spoken_text(response("<Say>\n  R&amp;D\t&lt;b&gt; Z&#252;rich </Say>"))


def test_no_text_is_spoken_after_hanging_up():
    assert "one" == spoken_text(response("<Say>one</Say><Hangup/><Say>two</Say>"))


def test_a_gather_speaks_and_no_key_is_pressed():
    assert "press one no key" == spoken_text(
        response('<Gather numDigits="1" timeout="5"><Say>press one</Say></Gather><Say>no key</Say>')
    )


@pytest.mark.parametrize(
    "twiml",
    [
        "",
        "hello",
        "<Response>",
        "<Say>hello</Say>",
        '<Response version="1"/>',
        response("hello"),
        response("<Say>a</Say>b"),
        response("<say>a</say>"),
        response("<Shout>a</Shout>"),
        response("<Say></Say>"),
        response("<Say>a<b/></Say>"),
        response('<Say volume="11">a</Say>'),
        response('<Say loop="-1">a</Say>'),
        response('<Pause length="long"/>'),
        response('<Pause length="1001"/>'),
        '<!DOCTYPE r [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>',
    ],
)
def test_twiml_that_twilio_could_not_run_is_refused(twiml):
    with pytest.raises(BadTwiml):
        spoken_text(twiml)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Your code is 1 2 3 4 5 6. Once more, your code is 1 2 3 4 5 6.", "123456"),
        ("Your code is 1, 2, 3, 4.", "1234"),
        ("Your code is. 1. 2. 3. 4.", "1234"),
        ("This is ACME 5. Your code is 0 0 0 7", "0007"),
        ("Press 1 or 2 or 3", ""),
        ("1 2 3", ""),
        ("1234", ""),
        ("", ""),
    ],
)
def test_the_code_is_the_first_run_of_single_digits(said, code):
    assert code == code_in(said)
