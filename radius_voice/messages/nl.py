"""Dutch, formal address."""

from radius_voice.messages.wording import Approval, CallEnded, LogInAgain, Messages, Shown, Spoken, Texted

MESSAGES = Messages(
    language="nl",
    shown=Shown(
        enter_code="{friendly_name} belt uw telefoon die eindigt op {ending}. Voer de code in die u hoort:",
        call_queued=(
            "{friendly_name} belt uw telefoon die eindigt op {ending} over ongeveer {seconds} seconden. "
            "Voer de code in die u hoort:"
        ),
        wrong_code_one_left="Onjuiste code, nog 1 poging. Voer de code in die u hebt gehoord:",
        wrong_code="Onjuiste code, nog {attempts} pogingen. Voer de code in die u hebt gehoord:",
        new_call="Uw telefoon die eindigt op {ending} wordt gebeld. Voer de nieuwe code in:",
        no_new_call="Op dit moment is geen nieuwe oproep mogelijk. Voer de code in die u hebt gehoord:",
        text_sent="{friendly_name} heeft een sms gestuurd naar uw telefoon die eindigt op {ending}. Voer de code in:",
        text_wrong_code_one_left="Onjuiste code, nog 1 poging. Voer de code uit de sms in:",
        text_wrong_code="Onjuiste code, nog {attempts} pogingen. Voer de code uit de sms in:",
        new_text="Er is een nieuwe sms gestuurd naar uw telefoon die eindigt op {ending}. Voer de nieuwe code in:",
        no_new_text="Er is nu geen nieuwe sms mogelijk. Voer de code uit de laatste sms in:",
        no_call="Op dit moment is geen oproep mogelijk. Voer de code uit de sms in:",
        no_text="Er is nu geen sms mogelijk. Voer de code in die u hebt gehoord:",
        issued_code="Voer de code van de helpdesk in:",
        issued_code_wrong_one_left="Onjuiste code, nog 1 poging. Voer de code van de helpdesk in:",
        issued_code_wrong="Onjuiste code, nog {attempts} pogingen. Voer de code van de helpdesk in:",
        rejected="Aanmelding geweigerd.",
    ),
    log_in_again=LogInAgain(
        called=(
            "{friendly_name} belt uw telefoon die eindigt op {ending}. Meld u opnieuw aan met wachtwoord{delimiter}code"
        ),
        call_queued=(
            "{friendly_name} belt uw telefoon die eindigt op {ending} over ongeveer {seconds} seconden. "
            "Meld u daarna opnieuw aan met wachtwoord{delimiter}code"
        ),
        texted=(
            "{friendly_name} heeft een sms gestuurd naar uw telefoon die eindigt op {ending}. "
            "Meld u opnieuw aan met wachtwoord{delimiter}code"
        ),
        wrong_code_one_left="Onjuiste code, nog 1 poging. Meld u opnieuw aan met wachtwoord{delimiter}code",
        wrong_code="Onjuiste code, nog {attempts} pogingen. Meld u opnieuw aan met wachtwoord{delimiter}code",
        no_new_call="Op dit moment is geen nieuwe oproep mogelijk. Meld u opnieuw aan met wachtwoord{delimiter}code",
        no_new_text="Er is nu geen nieuwe sms mogelijk. Meld u opnieuw aan met wachtwoord{delimiter}code",
        issued_code="U hebt een code van de helpdesk. Meld u opnieuw aan met wachtwoord{delimiter}code",
    ),
    call_ended=CallEnded(
        busy="Uw telefoon was in gesprek. Typ phone om opnieuw gebeld te worden, of voer de code in:",
        no_answer="De oproep is niet beantwoord. Typ phone om opnieuw gebeld te worden, of voer de code in:",
        failed="De oproep heeft uw telefoon niet bereikt. Typ phone om opnieuw gebeld te worden, of voer de code in:",
        machine="Een antwoordapparaat heeft de oproep aangenomen. Typ phone om opnieuw gebeld te worden:",
        no_code="De oproep eindigde voordat een code werd genoemd. Typ phone om opnieuw gebeld te worden:",
    ),
    spoken=Spoken(
        locale="nl-NL",
        greeting="Goedendag. U spreekt met {friendly_name}.",
        code="Uw code is",
        code_again="Nogmaals, uw code is",
        press_key="Toets 1 om uw code te horen.",
        wait="Een ogenblik geduld voor uw code.",
        issued_code="De helpdesk heeft een code uitgegeven voor een aanmelding met uw account.",
        enrolment_code="Deze code is voor uw helpdesk en niet voor een aanmelding. De code is",
        enrolment_closing="Als u dit gesprek niet verwachtte, waarschuw dan uw beheerder. Tot ziens.",
        closing="Als u niet bezig bent met aanmelden, waarschuw dan uw beheerder. Tot ziens.",
    ),
    approval=Approval(
        question="{friendly_name}: iemand meldt zich aan bij {gateway}.",
        question_from="{friendly_name}: iemand meldt zich vanaf {calling_station_id} aan bij {gateway}.",
        keys="Druk op het hekje om dit goed te keuren. Bent u dit niet, druk dan op 9.",
        approved="De aanmelding is goedgekeurd. Tot ziens.",
        fraud_reported="De aanmelding is geweigerd en uw account is geblokkeerd. Waarschuw uw beheerder. Tot ziens.",
        ended="Deze aanmelding is al beëindigd. Tot ziens.",
    ),
    texted=Texted(
        code="{friendly_name}: uw code is {code}. Bent u dit niet? Waarschuw uw beheerder.",
        enrolment_code=(
            "{friendly_name}: uw code voor de helpdesk is {code}. Deze is niet voor aanmelden. "
            "Had u geen code verwacht? Waarschuw uw beheerder."
        ),
        issued_code=(
            "{friendly_name}: de helpdesk heeft een code voor aanmelden bij uw account uitgegeven. "
            "Bent u dit niet? Waarschuw uw beheerder."
        ),
    ),
)
