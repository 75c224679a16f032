"""Spanish, formal address."""

from radius_voice.messages.wording import Approval, CallEnded, LogInAgain, Messages, Shown, Spoken, Texted

MESSAGES = Messages(
    language="es",
    shown=Shown(
        enter_code="{friendly_name} está llamando a su teléfono terminado en {ending}. Introduzca el código que oiga:",
        call_queued=(
            "{friendly_name} llamará a su teléfono terminado en {ending} en unos {seconds} segundos. "
            "Introduzca el código que oiga:"
        ),
        wrong_code_one_left="Código incorrecto, queda 1 intento. Introduzca el código que ha oído:",
        wrong_code="Código incorrecto, quedan {attempts} intentos. Introduzca el código que ha oído:",
        new_call="Llamando a su teléfono terminado en {ending}. Introduzca el nuevo código:",
        no_new_call="En este momento no es posible otra llamada. Introduzca el código que ha oído:",
        text_sent="{friendly_name} ha enviado un SMS a su teléfono terminado en {ending}. Introduzca el código:",
        text_wrong_code_one_left="Código incorrecto, queda 1 intento. Introduzca el código del SMS:",
        text_wrong_code="Código incorrecto, quedan {attempts} intentos. Introduzca el código del SMS:",
        new_text="Se ha enviado un nuevo SMS a su teléfono terminado en {ending}. Introduzca el nuevo código:",
        no_new_text="Ahora no es posible enviar otro SMS. Introduzca el código del último:",
        no_call="En este momento no es posible una llamada. Introduzca el código del SMS:",
        no_text="Ahora no es posible enviar un SMS. Introduzca el código que ha oído:",
        issued_code="Introduzca el código de asistencia:",
        issued_code_wrong_one_left="Código incorrecto, queda 1 intento. Introduzca el código de asistencia:",
        issued_code_wrong="Código incorrecto, quedan {attempts} intentos. Introduzca el código de asistencia:",
        rejected="Inicio de sesión rechazado.",
    ),
    log_in_again=LogInAgain(
        called=(
            "{friendly_name} está llamando a su teléfono terminado en {ending}. "
            "Vuelva a entrar con contraseña{delimiter}código"
        ),
        call_queued=(
            "{friendly_name} llamará a su teléfono terminado en {ending} en unos {seconds} segundos. "
            "Después vuelva a entrar con contraseña{delimiter}código"
        ),
        texted=(
            "{friendly_name} ha enviado un SMS a su teléfono terminado en {ending}. "
            "Vuelva a entrar con contraseña{delimiter}código"
        ),
        wrong_code_one_left="Código incorrecto, queda 1 intento. Vuelva a entrar con contraseña{delimiter}código",
        wrong_code="Código incorrecto, quedan {attempts} intentos. Vuelva a entrar con contraseña{delimiter}código",
        no_new_call="En este momento no es posible otra llamada. Vuelva a entrar con contraseña{delimiter}código",
        no_new_text="Ahora no es posible enviar otro SMS. Vuelva a entrar con contraseña{delimiter}código",
        issued_code="Tiene un código de asistencia. Vuelva a entrar con contraseña{delimiter}código",
    ),
    call_ended=CallEnded(
        busy="Su teléfono estaba ocupado. Escriba phone para recibir otra llamada, o introduzca el código:",
        no_answer="La llamada no fue atendida. Escriba phone para recibir otra llamada, o introduzca el código:",
        failed="La llamada no llegó a su teléfono. Escriba phone para recibir otra llamada, o introduzca el código:",
        machine="Un contestador atendió la llamada. Escriba phone para recibir otra llamada:",
        no_code="La llamada terminó antes de decir un código. Escriba phone para recibir otra llamada:",
    ),
    spoken=Spoken(
        locale="es-ES",
        greeting="Hola. Le llama {friendly_name}.",
        code="Su código es",
        code_again="Repito, su código es",
        press_key="Para oír su código, pulse 1.",
        wait="Espere su código, por favor.",
        issued_code="El servicio de asistencia ha emitido un código para un inicio de sesión en su cuenta.",
        enrolment_code="Este código es para su servicio de asistencia y no para iniciar sesión. Es",
        enrolment_closing="Si no esperaba esta llamada, avise a su administrador. Adiós.",
        closing="Si no está iniciando sesión, avise a su administrador. Adiós.",
    ),
    approval=Approval(
        question="{friendly_name}: alguien está accediendo a {gateway}.",
        question_from="{friendly_name}: alguien está accediendo a {gateway} desde {calling_station_id}.",
        keys="Pulse la tecla almohadilla para aprobarlo. Si no es usted, pulse 9.",
        approved="El acceso está aprobado. Adiós.",
        fraud_reported="El acceso está rechazado y su cuenta está bloqueada. Avise a su administrador. Adiós.",
        ended="Este acceso ya ha terminado. Adiós.",
    ),
    texted=Texted(
        code="{friendly_name}: su clave es {code}. Si no ha sido usted, avise a su administrador.",
        enrolment_code=(
            "{friendly_name}: su código para el servicio de asistencia es {code}. No sirve para iniciar sesión. "
            "Si no lo esperaba, avise a su administrador."
        ),
        issued_code=(
            "{friendly_name}: el servicio de asistencia ha emitido un código para iniciar sesión en su cuenta. "
            "Si no está iniciando sesión, avise a su administrador."
        ),
    ),
)
