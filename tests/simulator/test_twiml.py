import pytest

from radius_voice.simulator.twiml import BadTwiml, code_in, heard


def response(inside):
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>'


def test_what_is_said_is_one_string_and_a_long_silence_ends_a_sentence():
    twiml = response(
        '<Say>Hello.</Say><Pause/><Say language="en-US">Your code is</Say><Pause length="1"/><Say>4</Say><Pause length="2"/><Say>Bye</Say>'
    )
    assert "Hello. Your code is 4. Bye" == heard(twiml)


def test_a_loop_says_it_again():
    assert "one one one two" == heard(response('<Say loop="3">one</Say><Say>two</Say>'))


def test_white_space_and_entities_are_heard_as_text():
    assert "R&D <b> Zürich" == heard(response("<Say>\n  R&amp;D\t&lt;b&gt; Z&#252;rich </Say>"))


def test_nothing_is_heard_after_hanging_up():
    assert "one" == heard(response("<Say>one</Say><Hangup/><Say>two</Say>"))


def test_a_gather_speaks_and_nobody_presses_a_key():
    assert "press one nobody did" == heard(
        response('<Gather numDigits="1" timeout="5"><Say>press one</Say></Gather><Say>nobody did</Say>')
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
        heard(twiml)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Your code is 1 2 3 4 5 6. Once more, your code is 1 2 3 4 5 6.", "123456"),
        ("Your code is 1, 2, 3, 4.", "1234"),
        ("This is ACME 5. Your code is 0 0 0 7", "0007"),
        ("Press 1 or 2 or 3", ""),
        ("1 2 3", ""),
        ("1234", ""),
        ("", ""),
    ],
)
def test_the_code_is_the_first_run_of_single_digits(said, code):
    assert code == code_in(said)
