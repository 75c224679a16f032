"""What is read: the texts of challenges and rejects, by language. At most 253 octets each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from radius_voice.events import Reason

LONGEST = 253
REFUSED = "Login refused."


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one language; `{friendly_name}`, `{ending}` and `{tries}` are filled in."""

    enter: str
    wrong_one: str
    wrong_many: str
    redialled: str
    cannot_redial: str


TEXTS = {
    "en": Texts(
        "{friendly_name} is calling your phone ending in {ending}. Enter the code you hear:",
        "Wrong code, 1 try left. Enter the code you heard:",
        "Wrong code, {tries} tries left. Enter the code you heard:",
        "Calling your phone ending in {ending} again. Enter the new code:",
        "No further call is possible now. Enter the code you heard:",
    ),
    "de": Texts(
        "{friendly_name} ruft Ihr Telefon mit der Endung {ending} an. Geben Sie den gehörten Code ein:",
        "Falscher Code, noch 1 Versuch. Geben Sie den gehörten Code ein:",
        "Falscher Code, noch {tries} Versuche. Geben Sie den gehörten Code ein:",
        "Ihr Telefon mit der Endung {ending} wird erneut angerufen. Geben Sie den neuen Code ein:",
        "Zurzeit ist kein weiterer Anruf möglich. Geben Sie den gehörten Code ein:",
    ),
    "es": Texts(
        "{friendly_name} llama a su teléfono terminado en {ending}. Escriba el código que oiga:",
        "Código incorrecto, queda 1 intento. Escriba el código que ha oído:",
        "Código incorrecto, quedan {tries} intentos. Escriba el código que ha oído:",
        "Llamando de nuevo a su teléfono terminado en {ending}. Escriba el nuevo código:",
        "Ahora no es posible otra llamada. Escriba el código que ha oído:",
    ),
    "fr": Texts(
        "{friendly_name} appelle votre téléphone se terminant par {ending}. Saisissez le code entendu :",
        "Code erroné, il reste 1 essai. Saisissez le code entendu :",
        "Code erroné, il reste {tries} essais. Saisissez le code entendu :",
        "Nouvel appel de votre téléphone se terminant par {ending}. Saisissez le nouveau code :",
        "Aucun autre appel n'est possible pour l'instant. Saisissez le code entendu :",
    ),
}


@lru_cache(maxsize=4096)
def challenge(reason: Reason, language: str, friendly_name: str, ending: str, tries: int) -> str:
    """The text of a challenge. `ending` are the called phone's last digits; unknown languages get English."""
    texts = TEXTS.get(language, TEXTS["en"])
    match reason:
        case Reason.WRONG_CODE:
            text = texts.wrong_one if tries == 1 else texts.wrong_many
        case Reason.REDIALLED:
            text = texts.redialled
        case Reason.CANNOT_REDIAL:
            text = texts.cannot_redial
        case _:
            text = texts.enter
    return cut(text.format(friendly_name=friendly_name, ending=ending, tries=tries))


def cut(text: str) -> str:
    """The text's beginning that fits into one Reply-Message, whole characters only."""
    return text.encode()[:LONGEST].decode(errors="ignore")
