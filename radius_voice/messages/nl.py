"""Dutch, formal address."""

from radius_voice.messages.wording import Messages, Shown, Spoken

MESSAGES = Messages(
    language="nl",
    shown=Shown(
        enter_code="{friendly_name} belt uw telefoon die eindigt op {ending}. Voer de code in die u hoort:",
        wrong_code_one_left="Onjuiste code, nog 1 poging. Voer de code in die u hebt gehoord:",
        wrong_code="Onjuiste code, nog {attempts} pogingen. Voer de code in die u hebt gehoord:",
        new_call="Uw telefoon die eindigt op {ending} wordt gebeld. Voer de nieuwe code in:",
        no_new_call="Op dit moment is geen nieuwe oproep mogelijk. Voer de code in die u hebt gehoord:",
        issued_code="Voer de code van de helpdesk in:",
        issued_code_wrong_one_left="Onjuiste code, nog 1 poging. Voer de code van de helpdesk in:",
        issued_code_wrong="Onjuiste code, nog {attempts} pogingen. Voer de code van de helpdesk in:",
        rejected="Aanmelding geweigerd.",
    ),
    spoken=Spoken(
        locale="nl-NL",
        greeting="Goedendag. U spreekt met {friendly_name}.",
        code="Uw code is",
        code_again="Nogmaals, uw code is",
        issued_code="De helpdesk heeft een code uitgegeven voor een aanmelding met uw account.",
        enrolment_code="Deze code is voor uw helpdesk en niet voor een aanmelding. De code is",
        enrolment_closing="Als u dit gesprek niet verwachtte, waarschuw dan uw beheerder. Tot ziens.",
        closing="Als u niet bezig bent met aanmelden, waarschuw dan uw beheerder. Tot ziens.",
    ),
)
