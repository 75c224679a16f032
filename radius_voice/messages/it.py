"""Italian, formal address."""

from radius_voice.messages.wording import Approval, CallEnded, LogInAgain, Messages, Shown, Spoken, Texted

MESSAGES = Messages(
    language="it",
    shown=Shown(
        enter_code="{friendly_name} chiama il suo telefono che termina con {ending}. Inserisca il codice che sente:",
        call_queued=(
            "{friendly_name} chiamerà il suo telefono che termina con {ending} tra circa {seconds} secondi. "
            "Inserisca il codice che sente:"
        ),
        wrong_code_one_left="Codice errato, resta 1 tentativo. Inserisca il codice che ha sentito:",
        wrong_code="Codice errato, restano {attempts} tentativi. Inserisca il codice che ha sentito:",
        new_call="Chiamata in corso al suo telefono che termina con {ending}. Inserisca il nuovo codice:",
        no_new_call="Al momento non è possibile un'altra chiamata. Inserisca il codice che ha sentito:",
        text_sent="{friendly_name} ha inviato un SMS al suo telefono che termina con {ending}. Inserisca il codice:",
        text_wrong_code_one_left="Codice errato, resta 1 tentativo. Inserisca il codice dell'SMS:",
        text_wrong_code="Codice errato, restano {attempts} tentativi. Inserisca il codice dell'SMS:",
        new_text="Un nuovo SMS è stato inviato al suo telefono che termina con {ending}. Inserisca il nuovo codice:",
        no_new_text="Al momento non è possibile un altro SMS. Inserisca il codice dell'ultimo:",
        no_call="Al momento non è possibile una chiamata. Inserisca il codice dell'SMS:",
        no_text="Al momento non è possibile un SMS. Inserisca il codice che ha sentito:",
        issued_code="Inserisca il codice dell'assistenza:",
        issued_code_wrong_one_left="Codice errato, resta 1 tentativo. Inserisca il codice dell'assistenza:",
        issued_code_wrong="Codice errato, restano {attempts} tentativi. Inserisca il codice dell'assistenza:",
        rejected="Accesso rifiutato.",
    ),
    log_in_again=LogInAgain(
        called=(
            "{friendly_name} chiama il suo telefono che termina con {ending}. "
            "Acceda di nuovo con password{delimiter}codice"
        ),
        call_queued=(
            "{friendly_name} chiamerà il suo telefono che termina con {ending} tra circa {seconds} secondi. "
            "Poi acceda di nuovo con password{delimiter}codice"
        ),
        texted=(
            "{friendly_name} ha inviato un SMS al suo telefono che termina con {ending}. "
            "Acceda di nuovo con password{delimiter}codice"
        ),
        wrong_code_one_left="Codice errato, resta 1 tentativo. Acceda di nuovo con password{delimiter}codice",
        wrong_code="Codice errato, restano {attempts} tentativi. Acceda di nuovo con password{delimiter}codice",
        no_new_call="Al momento non è possibile un'altra chiamata. Acceda di nuovo con password{delimiter}codice",
        no_new_text="Al momento non è possibile un altro SMS. Acceda di nuovo con password{delimiter}codice",
        issued_code="Ha un codice dell'assistenza. Acceda di nuovo con password{delimiter}codice",
    ),
    call_ended=CallEnded(
        busy="Il suo telefono era occupato. Scriva phone per essere richiamato, o inserisca il codice:",
        no_answer="Nessuna risposta alla chiamata. Scriva phone per essere richiamato, o inserisca il codice:",
        failed="La chiamata non è arrivata al telefono. Scriva phone per essere richiamato, o inserisca il codice:",
        machine="Una segreteria ha risposto alla chiamata. Scriva phone per essere richiamato:",
        no_code="La chiamata è terminata prima di dire un codice. Scriva phone per essere richiamato:",
    ),
    spoken=Spoken(
        locale="it-IT",
        greeting="Salve. La chiama {friendly_name}.",
        code="Il suo codice è",
        code_again="Ripeto, il suo codice è",
        press_key="Per ascoltare il suo codice, prema 1.",
        wait="Attenda il suo codice, per favore.",
        issued_code="L'assistenza ha emesso un codice per un accesso al suo account.",
        enrolment_code="Questo codice è per l'assistenza e non per un accesso. Il codice è",
        enrolment_closing="Se non si aspettava questa chiamata, avvisi il suo amministratore. Arrivederci.",
        closing="Se non sta effettuando l'accesso, avvisi il suo amministratore. Arrivederci.",
    ),
    approval=Approval(
        question="{friendly_name}: qualcuno sta accedendo a {gateway}.",
        question_from="{friendly_name}: qualcuno sta accedendo a {gateway} da {calling_station_id}.",
        keys="Prema il tasto cancelletto per approvare. Se non è lei, prema 9.",
        approved="L'accesso è approvato. Arrivederci.",
        fraud_reported="L'accesso è rifiutato e il suo account è bloccato. Avvisi il suo amministratore. Arrivederci.",
        ended="Questo accesso è già terminato. Arrivederci.",
    ),
    texted=Texted(
        code="{friendly_name}: il suo codice è {code}. Se non è lei, avvisi il suo amministratore.",
        enrolment_code=(
            "{friendly_name}: il suo codice per l'assistenza è {code}. Non serve per un accesso. "
            "Se non lo aspettava, avvisi il suo amministratore."
        ),
        issued_code=(
            "{friendly_name}: l'assistenza ha emesso un codice per un accesso al suo account. "
            "Se non è lei, avvisi il suo amministratore."
        ),
    ),
)
