"""Italian, formal address."""

from radius_voice.messages.wording import Messages, Shown, Spoken

MESSAGES = Messages(
    language="it",
    shown=Shown(
        enter_code="{friendly_name} chiama il suo telefono che termina con {ending}. Inserisca il codice che sente:",
        wrong_code_one_left="Codice errato, resta 1 tentativo. Inserisca il codice che ha sentito:",
        wrong_code="Codice errato, restano {attempts} tentativi. Inserisca il codice che ha sentito:",
        new_call="Chiamata in corso al suo telefono che termina con {ending}. Inserisca il nuovo codice:",
        no_new_call="Al momento non è possibile un'altra chiamata. Inserisca il codice che ha sentito:",
        issued_code="Inserisca il codice dell'assistenza:",
        issued_code_wrong_one_left="Codice errato, resta 1 tentativo. Inserisca il codice dell'assistenza:",
        issued_code_wrong="Codice errato, restano {attempts} tentativi. Inserisca il codice dell'assistenza:",
        rejected="Accesso rifiutato.",
    ),
    spoken=Spoken(
        locale="it-IT",
        greeting="Salve. La chiama {friendly_name}.",
        code="Il suo codice è",
        code_again="Ripeto, il suo codice è",
        issued_code="L'assistenza ha emesso un codice per un accesso al suo account.",
        enrolment_code="Questo codice è per l'assistenza e non per un accesso. Il codice è",
        enrolment_closing="Se non si aspettava questa chiamata, avvisi il suo amministratore. Arrivederci.",
        closing="Se non sta effettuando l'accesso, avvisi il suo amministratore. Arrivederci.",
    ),
)
