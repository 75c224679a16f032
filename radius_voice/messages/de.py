"""German, formal address."""

from radius_voice.messages.wording import Approval, CallEnded, LogInAgain, Messages, Shown, Spoken, Texted

MESSAGES = Messages(
    language="de",
    shown=Shown(
        enter_code="{friendly_name} ruft Ihre Nummer mit der Endung {ending} an. Geben Sie den angesagten Code ein:",
        call_queued=(
            "{friendly_name} ruft Ihre Nummer mit der Endung {ending} in etwa {seconds} Sekunden an. "
            "Geben Sie den angesagten Code ein:"
        ),
        wrong_code_one_left="Falscher Code, noch 1 Versuch. Geben Sie den angesagten Code ein:",
        wrong_code="Falscher Code, noch {attempts} Versuche. Geben Sie den angesagten Code ein:",
        new_call="Ihre Nummer mit der Endung {ending} wird angerufen. Geben Sie den neuen Code ein:",
        no_new_call="Derzeit ist kein weiterer Anruf möglich. Geben Sie den angesagten Code ein:",
        text_sent=(
            "{friendly_name} hat eine SMS an die Nummer mit der Endung {ending} gesendet. Geben Sie den Code ein:"
        ),
        text_wrong_code_one_left="Falscher Code, noch 1 Versuch. Geben Sie den Code aus der SMS ein:",
        text_wrong_code="Falscher Code, noch {attempts} Versuche. Geben Sie den Code aus der SMS ein:",
        new_text="Eine neue SMS wurde an die Nummer mit der Endung {ending} gesendet. Neuer Code:",
        no_new_text="Eine weitere SMS ist jetzt nicht möglich. Geben Sie den Code aus der letzten ein:",
        no_call="Ein Anruf ist jetzt nicht möglich. Geben Sie den Code aus der SMS ein:",
        no_text="Eine SMS ist jetzt nicht möglich. Geben Sie den angesagten Code ein:",
        issued_code="Geben Sie den Code vom Helpdesk ein:",
        issued_code_wrong_one_left="Falscher Code, noch 1 Versuch. Geben Sie den Code vom Helpdesk ein:",
        issued_code_wrong="Falscher Code, noch {attempts} Versuche. Geben Sie den Code vom Helpdesk ein:",
        rejected="Anmeldung abgelehnt.",
    ),
    log_in_again=LogInAgain(
        called=(
            "{friendly_name} ruft Ihre Nummer mit der Endung {ending} an. "
            "Melden Sie sich erneut an mit Passwort{delimiter}Code"
        ),
        call_queued=(
            "{friendly_name} ruft Ihre Nummer mit der Endung {ending} in etwa {seconds} Sekunden an. "
            "Melden Sie sich danach erneut an mit Passwort{delimiter}Code"
        ),
        texted=(
            "{friendly_name} hat eine SMS an Ihre Nummer mit der Endung {ending} gesendet. "
            "Melden Sie sich erneut an mit Passwort{delimiter}Code"
        ),
        wrong_code_one_left="Falscher Code, noch 1 Versuch. Melden Sie sich erneut an mit Passwort{delimiter}Code",
        wrong_code="Falscher Code, noch {attempts} Versuche. Melden Sie sich erneut an mit Passwort{delimiter}Code",
        no_new_call="Derzeit ist kein weiterer Anruf möglich. Melden Sie sich erneut an mit Passwort{delimiter}Code",
        no_new_text="Eine weitere SMS ist jetzt nicht möglich. Melden Sie sich erneut an mit Passwort{delimiter}Code",
        issued_code="Sie haben einen Code vom Helpdesk. Melden Sie sich erneut an mit Passwort{delimiter}Code",
    ),
    call_ended=CallEnded(
        busy="Ihr Telefon war besetzt. Geben Sie phone ein, um erneut angerufen zu werden, oder den Code:",
        no_answer="Der Anruf blieb unbeantwortet. Geben Sie phone ein, um erneut angerufen zu werden, oder den Code:",
        failed="Der Anruf kam nicht zustande. Geben Sie phone ein, um erneut angerufen zu werden, oder den Code:",
        machine="Ein Anrufbeantworter hat den Anruf angenommen. Geben Sie phone ein, um erneut angerufen zu werden:",
        no_code="Der Anruf endete, bevor er einen Code nannte. Geben Sie phone ein, um erneut angerufen zu werden:",
    ),
    spoken=Spoken(
        locale="de-DE",
        greeting="Guten Tag. Hier ist {friendly_name}.",
        code="Ihr Code lautet",
        code_again="Noch einmal, Ihr Code lautet",
        press_key="Um Ihren Code zu hören, drücken Sie die 1.",
        wait="Bitte warten Sie auf Ihren Code.",
        issued_code="Der Helpdesk hat einen Code für eine Anmeldung mit Ihrem Konto ausgegeben.",
        enrolment_code="Dieser Code ist für Ihren Helpdesk und nicht für eine Anmeldung. Er lautet",
        enrolment_closing="Falls Sie diesen Anruf nicht erwartet haben, informieren Sie Ihren Administrator.",
        closing="Falls Sie sich gerade nicht anmelden, informieren Sie bitte Ihren Administrator. Auf Wiederhören.",
    ),
    approval=Approval(
        question="{friendly_name}: Jemand meldet sich bei {gateway} an.",
        question_from="{friendly_name}: Jemand meldet sich von {calling_station_id} bei {gateway} an.",
        keys="Drücken Sie die Raute-Taste, um das zu bestätigen. Wenn Sie es nicht sind, drücken Sie die 9.",
        approved="Die Anmeldung ist bestätigt. Auf Wiederhören.",
        fraud_reported=(
            "Die Anmeldung ist abgelehnt, und Ihr Konto ist gesperrt. "
            "Informieren Sie Ihren Administrator. Auf Wiederhören."
        ),
        ended="Diese Anmeldung ist bereits beendet. Auf Wiederhören.",
    ),
    texted=Texted(
        code="{friendly_name}: Ihr Code ist {code}. Wenn Sie sich nicht anmelden, informieren Sie Ihren Administrator.",
        enrolment_code=(
            "{friendly_name}: Ihr Code für den Helpdesk ist {code}. Er gilt nicht für eine Anmeldung. "
            "Wenn Sie ihn nicht erwartet haben, informieren Sie Ihren Administrator."
        ),
        issued_code=(
            "{friendly_name}: Der Helpdesk hat einen Code für eine Anmeldung mit Ihrem Konto ausgegeben. "
            "Wenn Sie sich nicht anmelden, informieren Sie Ihren Administrator."
        ),
    ),
)
