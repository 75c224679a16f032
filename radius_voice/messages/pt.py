"""Portuguese of Brazil, formal address."""

from radius_voice.messages.wording import Approval, CallEnded, LogInAgain, Messages, Shown, Spoken, Texted

MESSAGES = Messages(
    language="pt",
    shown=Shown(
        enter_code="{friendly_name} está ligando para o seu telefone com final {ending}. Digite o código que ouvir:",
        call_queued=(
            "{friendly_name} ligará para o seu telefone com final {ending} em cerca de {seconds} segundos. "
            "Digite o código que ouvir:"
        ),
        wrong_code_one_left="Código incorreto, resta 1 tentativa. Digite o código que ouviu:",
        wrong_code="Código incorreto, restam {attempts} tentativas. Digite o código que ouviu:",
        new_call="Ligando para o seu telefone com final {ending}. Digite o novo código:",
        no_new_call="No momento não é possível fazer outra ligação. Digite o código que ouviu:",
        text_sent="{friendly_name} enviou um SMS para o seu telefone com final {ending}. Digite o código:",
        text_wrong_code_one_left="Código incorreto, resta 1 tentativa. Digite o código do SMS:",
        text_wrong_code="Código incorreto, restam {attempts} tentativas. Digite o código do SMS:",
        new_text="Foi enviado um novo SMS para o seu telefone com final {ending}. Digite o novo código:",
        no_new_text="No momento não é possível enviar outro SMS. Digite o código do último:",
        no_call="No momento não é possível fazer uma ligação. Digite o código do SMS:",
        no_text="No momento não é possível enviar um SMS. Digite o código que ouviu:",
        issued_code="Digite o código do suporte:",
        issued_code_wrong_one_left="Código incorreto, resta 1 tentativa. Digite o código do suporte:",
        issued_code_wrong="Código incorreto, restam {attempts} tentativas. Digite o código do suporte:",
        rejected="Login recusado.",
    ),
    log_in_again=LogInAgain(
        called=(
            "{friendly_name} está ligando para o seu telefone com final {ending}. "
            "Entre de novo com senha{delimiter}código"
        ),
        call_queued=(
            "{friendly_name} ligará para o seu telefone com final {ending} em cerca de {seconds} segundos. "
            "Depois entre de novo com senha{delimiter}código"
        ),
        texted=(
            "{friendly_name} enviou um SMS para o seu telefone com final {ending}. "
            "Entre de novo com senha{delimiter}código"
        ),
        wrong_code_one_left="Código incorreto, resta 1 tentativa. Entre de novo com senha{delimiter}código",
        wrong_code="Código incorreto, restam {attempts} tentativas. Entre de novo com senha{delimiter}código",
        no_new_call="No momento não é possível fazer outra ligação. Entre de novo com senha{delimiter}código",
        no_new_text="No momento não é possível enviar outro SMS. Entre de novo com senha{delimiter}código",
        issued_code="Há um código do suporte para você. Entre de novo com senha{delimiter}código",
    ),
    call_ended=CallEnded(
        busy="Seu telefone estava ocupado. Digite phone para receber outra ligação, ou o código:",
        no_answer="A ligação não foi atendida. Digite phone para receber outra ligação, ou o código:",
        failed="A ligação não chegou ao seu telefone. Digite phone para receber outra ligação, ou o código:",
        machine="Uma secretária eletrônica atendeu a ligação. Digite phone para receber outra ligação:",
        no_code="A ligação terminou antes de informar um código. Digite phone para receber outra ligação:",
    ),
    spoken=Spoken(
        locale="pt-BR",
        greeting="Olá. Aqui é {friendly_name}.",
        code="Seu código é",
        code_again="Repetindo, seu código é",
        press_key="Para ouvir o seu código, pressione 1.",
        wait="Aguarde o seu código, por favor.",
        issued_code="O suporte emitiu um código para um login na sua conta.",
        enrolment_code="Este código é para o suporte e não para um login. O código é",
        enrolment_closing="Se você não esperava esta ligação, avise o seu administrador. Até logo.",
        closing="Se você não está fazendo login, avise o seu administrador. Até logo.",
    ),
    approval=Approval(
        question="{friendly_name}: alguém está entrando em {gateway}.",
        question_from="{friendly_name}: alguém está entrando em {gateway} a partir de {calling_station_id}.",
        keys="Pressione a tecla jogo da velha para aprovar. Se não for você, pressione 9.",
        approved="O acesso foi aprovado. Até logo.",
        fraud_reported="O acesso foi recusado e sua conta está bloqueada. Avise o administrador. Até logo.",
        ended="Este acesso já terminou. Até logo.",
    ),
    texted=Texted(
        code="{friendly_name}: a sua senha é {code}. Caso isto o surpreenda, avise o seu administrador.",
        enrolment_code=(
            "{friendly_name}: o seu código para o suporte é {code}. Não serve para login. "
            "Se você não o esperava, avise o seu administrador."
        ),
        issued_code=(
            "{friendly_name}: o suporte emitiu um código para um login na sua conta. "
            "Se não é você, avise o seu administrador."
        ),
    ),
)
