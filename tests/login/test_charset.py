import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.login.texts.charset import Charset


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Geben Sie Größe & Straße ein:", "Geben Sie Groesse & Strasse ein:"),
        ("Saisissez le code annoncé :", "Saisissez le code annonce :"),
        ("¿Código? ¡Sí!", "?Codigo? !Si!"),
        ("u\u0308 e\u0301", "ue e"),
        ("½ ™ … „x“ – €", '1/2 TM ... "x" - EUR'),
        ("Łódź, Ærø, Þór, Đà Nẵng", "Lodz, AEro, Thor, Da Nang"),
        ("plain ASCII\x7f~", "plain ASCII\x7f~"),
        ("", ""),
    ],
)
def test_letters_are_written_in_ascii(text, written):
    assert written == Charset.ASCII.shown(text)
    assert Charset.ASCII.can_show(text)
    assert text == Charset.UTF_8.shown(text)


@pytest.mark.parametrize("text", ["コード", "код", "\U0001f4de", "\u200b", "\ufdfa"])
def test_a_question_mark_stands_for_what_ascii_has_no_letters_for(text):
    assert "?" * len(text) == Charset.ASCII.shown(text)
    assert not Charset.ASCII.can_show(text)
    assert Charset.UTF_8.can_show(text)


@given(st.text())
def test_every_text_becomes_ascii(text):
    assert Charset.ASCII.shown(text).isascii()
    assert Charset.ASCII.can_show(text) or "?" in Charset.ASCII.shown(text)
