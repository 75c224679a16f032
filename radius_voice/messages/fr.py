"""French, formal address."""

from radius_voice.messages.wording import Messages, Shown, Spoken

MESSAGES = Messages(
    language="fr",
    shown=Shown(
        enter_code="{friendly_name} appelle votre numéro se terminant par {ending}. Saisissez le code annoncé :",
        wrong_code_one_left="Code incorrect, il reste 1 tentative. Saisissez le code annoncé :",
        wrong_code="Code incorrect, il reste {attempts} tentatives. Saisissez le code annoncé :",
        new_call="Nouvel appel vers votre numéro se terminant par {ending}. Saisissez le nouveau code :",
        no_new_call="Aucun autre appel n'est possible pour le moment. Saisissez le code annoncé :",
        issued_code="Saisissez le code donné par le support :",
        issued_code_wrong_one_left="Code incorrect, il reste 1 tentative. Saisissez le code donné par le support :",
        issued_code_wrong="Code incorrect, il reste {attempts} tentatives. Saisissez le code donné par le support :",
        rejected="Connexion refusée.",
    ),
    spoken=Spoken(
        locale="fr-FR",
        greeting="Bonjour. Ici {friendly_name}.",
        code="Votre code est",
        code_again="Je répète, votre code est",
        issued_code="Le support a émis un code pour une connexion à votre compte.",
        enrolment_code="Ce code est pour votre support et non pour une connexion. Le code est",
        enrolment_closing="Si vous n'attendiez pas cet appel, prévenez votre administrateur. Au revoir.",
        closing="Si vous n'êtes pas en train de vous connecter, prévenez votre administrateur. Au revoir.",
    ),
)
