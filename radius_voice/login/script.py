"""What is heard: the phrases of a spoken message by language, and the order they are spoken in.

A provider turns the lines into its own markup; nothing here knows one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from radius_voice.login.model import Script

TIMES_SPOKEN = 3

SCRIPT_SECONDS = 90
"""No message lasts longer, in seconds after the phone is answered.

A code of ten digits takes about 66 s, a trial account's preamble some 10 s more. Providers that can
cap a call are told this number, so it is a bound and not a guess.
"""


@dataclass(frozen=True, slots=True)
class Phrases:
    """One language's phrases; `locale` is a BCP 47 tag with a region, `greeting` holds `{name}` once."""

    language: str
    locale: str
    greeting: str
    code_is: str
    once_more: str
    closing: str


@dataclass(frozen=True, slots=True)
class Say:
    """Something spoken: a phrase, or a single digit. Never shows itself."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence, in whole seconds: one between digits, two after the last."""

    seconds: int


Line = Say | Pause

ENGLISH = Phrases(
    language="en",
    locale="en-US",
    greeting="Hello. This is {name}.",
    code_is="Your code is",
    once_more="Once more, your code is",
    closing="If you are not signing in, tell your administrator. Goodbye.",
)

LANGUAGES = {
    phrases.language: phrases
    for phrases in (
        ENGLISH,
        Phrases(
            language="de",
            locale="de-DE",
            greeting="Guten Tag. Hier ist {name}.",
            code_is="Ihr Code lautet",
            once_more="Noch einmal, Ihr Code lautet",
            closing="Wenn Sie sich nicht gerade anmelden, melden Sie das Ihrem Administrator. Auf Wiederhören.",
        ),
        Phrases(
            language="fr",
            locale="fr-FR",
            greeting="Bonjour. Ici {name}.",
            code_is="Votre code est",
            once_more="Je répète, votre code est",
            closing="Si vous n'êtes pas en train de vous connecter, prévenez votre administrateur. Au revoir.",
        ),
        Phrases(
            language="es",
            locale="es-ES",
            greeting="Hola. Le llama {name}.",
            code_is="Su código es",
            once_more="Repito, su código es",
            closing="Si no está iniciando sesión, avise a su administrador. Adiós.",
        ),
    )
}


def phrases_for(language: str) -> Phrases:
    """The phrases of `language` (`de`, `de-AT`, `DE_at`); English for a language we do not speak."""
    return LANGUAGES.get(language.replace("_", "-").partition("-")[0].lower(), ENGLISH)


def is_spoken(language: str) -> bool:
    """Whether calls in `language` are not in English for want of phrases."""
    return phrases_for(language) is not ENGLISH or language.lower().startswith(ENGLISH.language)


def lines(script: Script) -> list[Line]:
    """The message in order: greeting, the code digit by digit three times over, closing."""
    phrases = phrases_for(script.language)
    spoken: list[Line] = [Say(phrases.greeting.replace("{name}", script.friendly_name)), Pause(1)]
    for introduction in (phrases.code_is, *[phrases.once_more] * (TIMES_SPOKEN - 1)):
        spoken.append(Say(introduction))
        for digit in script.code:
            spoken += [Pause(1), Say(digit)]
        spoken.append(Pause(2))
    return [*spoken, Say(phrases.closing)]
