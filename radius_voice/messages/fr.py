"""French, formal address."""

from radius_voice.messages.wording import Approval, CallEnded, LogInAgain, Messages, Shown, Spoken, Texted

MESSAGES = Messages(
    language="fr",
    shown=Shown(
        enter_code="{friendly_name} appelle votre numéro se terminant par {ending}. Saisissez le code annoncé :",
        call_queued=(
            "{friendly_name} appellera votre numéro se terminant par {ending} dans environ {seconds} secondes. "
            "Saisissez le code annoncé :"
        ),
        wrong_code_one_left="Code incorrect, il reste 1 tentative. Saisissez le code annoncé :",
        wrong_code="Code incorrect, il reste {attempts} tentatives. Saisissez le code annoncé :",
        new_call="Nouvel appel vers votre numéro se terminant par {ending}. Saisissez le nouveau code :",
        no_new_call="Aucun autre appel n'est possible pour le moment. Saisissez le code annoncé :",
        text_sent="{friendly_name} a envoyé un SMS à votre téléphone se terminant par {ending}. Saisissez le code :",
        text_wrong_code_one_left="Code incorrect, il reste 1 essai. Saisissez le code du SMS :",
        text_wrong_code="Code incorrect, il reste {attempts} essais. Saisissez le code du SMS :",
        new_text="Un nouveau SMS a été envoyé à votre téléphone se terminant par {ending}. Saisissez le nouveau code :",
        no_new_text="Aucun autre SMS n'est possible pour le moment. Saisissez le code du dernier SMS :",
        no_call="Aucun appel n'est possible pour le moment. Saisissez le code du SMS :",
        no_text="Aucun SMS n'est possible pour le moment. Saisissez le code annoncé :",
        issued_code="Saisissez le code donné par le support :",
        issued_code_wrong_one_left="Code incorrect, il reste 1 tentative. Saisissez le code donné par le support :",
        issued_code_wrong="Code incorrect, il reste {attempts} tentatives. Saisissez le code donné par le support :",
        rejected="Connexion refusée.",
    ),
    log_in_again=LogInAgain(
        called=(
            "{friendly_name} appelle votre numéro se terminant par {ending}. "
            "Reconnectez-vous avec mot-de-passe{delimiter}code"
        ),
        call_queued=(
            "{friendly_name} appellera votre numéro se terminant par {ending} dans environ {seconds} secondes. "
            "Reconnectez-vous ensuite avec mot-de-passe{delimiter}code"
        ),
        texted=(
            "{friendly_name} a envoyé un SMS à votre téléphone se terminant par {ending}. "
            "Reconnectez-vous avec mot-de-passe{delimiter}code"
        ),
        wrong_code_one_left="Code incorrect, il reste 1 tentative. Reconnectez-vous avec mot-de-passe{delimiter}code",
        wrong_code="Code incorrect, il reste {attempts} tentatives. Reconnectez-vous avec mot-de-passe{delimiter}code",
        no_new_call="Aucun autre appel n'est possible maintenant. Reconnectez-vous avec mot-de-passe{delimiter}code",
        no_new_text="Aucun autre SMS n'est possible maintenant. Reconnectez-vous avec mot-de-passe{delimiter}code",
        issued_code="Le support vous a donné un code. Reconnectez-vous avec mot-de-passe{delimiter}code",
    ),
    call_ended=CallEnded(
        busy="Votre téléphone était occupé. Tapez phone pour être rappelé, ou saisissez le code :",
        no_answer="L'appel est resté sans réponse. Tapez phone pour être rappelé, ou saisissez le code :",
        failed="L'appel n'a pas atteint votre téléphone. Tapez phone pour être rappelé, ou saisissez le code :",
        machine="Un répondeur a pris l'appel. Tapez phone pour être rappelé :",
        no_code="L'appel s'est terminé avant d'annoncer un code. Tapez phone pour être rappelé :",
    ),
    spoken=Spoken(
        locale="fr-FR",
        greeting="Bonjour. Ici {friendly_name}.",
        code="Votre code est",
        code_again="Je répète, votre code est",
        press_key="Pour entendre votre code, appuyez sur 1.",
        wait="Veuillez patienter pour obtenir votre code.",
        issued_code="Le support a émis un code pour une connexion à votre compte.",
        enrolment_code="Ce code est pour votre support et non pour une connexion. Le code est",
        enrolment_closing="Si vous n'attendiez pas cet appel, prévenez votre administrateur. Au revoir.",
        closing="Si vous n'êtes pas en train de vous connecter, prévenez votre administrateur. Au revoir.",
    ),
    approval=Approval(
        question="{friendly_name} : quelqu'un se connecte à {gateway}.",
        question_from="{friendly_name} : quelqu'un se connecte à {gateway} depuis {calling_station_id}.",
        keys="Appuyez sur la touche dièse pour approuver. Si ce n'est pas vous, appuyez sur le 9.",
        approved="La connexion est approuvée. Au revoir.",
        fraud_reported="La connexion est refusée et votre compte est bloqué. Prévenez votre administrateur. Au revoir.",
        ended="Cette connexion est déjà terminée. Au revoir.",
    ),
    texted=Texted(
        code="{friendly_name} : votre code est {code}. Si ce n'est pas vous, prévenez votre administrateur.",
        enrolment_code=(
            "{friendly_name} : votre code pour l'assistance est {code}. Il ne sert pas à se connecter. "
            "Si vous ne l'attendiez pas, prévenez votre administrateur."
        ),
        issued_code=(
            "{friendly_name} : l'assistance a émis un code pour une connexion à votre compte. "
            "Si vous ne vous connectez pas en ce moment, prévenez votre administrateur."
        ),
    ),
)
