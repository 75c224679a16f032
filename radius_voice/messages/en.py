"""English."""

from radius_voice.messages.wording import Approval, CallEnded, LogInAgain, Messages, Shown, Spoken, Texted

MESSAGES = Messages(
    language="en",
    shown=Shown(
        enter_code="{friendly_name} is calling your phone ending in {ending}. Enter the code you hear:",
        call_queued=(
            "{friendly_name} will call your phone ending in {ending} in about {seconds} seconds. "
            "Enter the code you hear:"
        ),
        wrong_code_one_left="Wrong code, 1 attempt left. Enter the code you heard:",
        wrong_code="Wrong code, {attempts} attempts left. Enter the code you heard:",
        new_call="Calling your phone ending in {ending}. Enter the new code:",
        no_new_call="No further call is possible now. Enter the code you heard:",
        text_sent="{friendly_name} has sent a text message to your phone ending in {ending}. Enter the code:",
        text_wrong_code_one_left="Wrong code, 1 attempt left. Enter the code from the text message:",
        text_wrong_code="Wrong code, {attempts} attempts left. Enter the code from the text message:",
        new_text="A new text message was sent to your phone ending in {ending}. Enter the new code:",
        no_new_text="No further text message is possible now. Enter the code from the last one:",
        no_call="No call is possible now. Enter the code from the text message:",
        no_text="No text message is possible now. Enter the code you heard:",
        issued_code="Enter the code from the help desk:",
        issued_code_wrong_one_left="Wrong code, 1 attempt left. Enter the code from the help desk:",
        issued_code_wrong="Wrong code, {attempts} attempts left. Enter the code from the help desk:",
        rejected="Login refused.",
    ),
    log_in_again=LogInAgain(
        called="{friendly_name} is calling your phone ending in {ending}. Log in again with password{delimiter}code",
        call_queued=(
            "{friendly_name} will call your phone ending in {ending} in about {seconds} seconds. "
            "Then log in again with password{delimiter}code"
        ),
        texted=(
            "{friendly_name} has sent a text message to your phone ending in {ending}. "
            "Log in again with password{delimiter}code"
        ),
        wrong_code_one_left="Wrong code, 1 attempt left. Log in again with password{delimiter}code",
        wrong_code="Wrong code, {attempts} attempts left. Log in again with password{delimiter}code",
        no_new_call="No further call is possible now. Log in again with password{delimiter}code",
        no_new_text="No further text message is possible now. Log in again with password{delimiter}code",
        issued_code="You have a code from the help desk. Log in again with password{delimiter}code",
    ),
    call_ended=CallEnded(
        busy="Your phone was busy. Type phone to be called again, or enter the code:",
        no_answer="The call was not answered. Type phone to be called again, or enter the code:",
        failed="The call did not reach your phone. Type phone to be called again, or enter the code:",
        machine="An answering machine took the call. Type phone to be called again:",
        no_code="The call ended before it gave you a code. Type phone to be called again:",
    ),
    spoken=Spoken(
        locale="en-US",
        greeting="Hello. This is {friendly_name}.",
        code="Your code is",
        code_again="Once more, your code is",
        press_key="To hear your code, press 1.",
        wait="Please wait for your code.",
        issued_code="The help desk has issued a code for a login to your account.",
        enrolment_code="This code is for your help desk and not for a login. It is",
        enrolment_closing="If you did not expect this call, tell your administrator. Goodbye.",
        closing="If you are not signing in, tell your administrator. Goodbye.",
    ),
    approval=Approval(
        question="{friendly_name}: someone is logging in to {gateway}.",
        question_from="{friendly_name}: someone is logging in to {gateway} from {calling_station_id}.",
        keys="Press the pound key to approve. If it is not you, press 9.",
        approved="The login is approved. Goodbye.",
        fraud_reported="The login is refused, and your account is locked. Tell your administrator. Goodbye.",
        ended="This login has already ended. Goodbye.",
    ),
    texted=Texted(
        code="{friendly_name}: your code is {code}. If you are not signing in, tell your administrator.",
        enrolment_code=(
            "{friendly_name}: your code for the help desk is {code}. It is not for a login. "
            "If you did not expect it, tell your administrator."
        ),
        issued_code=(
            "{friendly_name}: the help desk has issued a code for a login to your account. "
            "If you are not signing in, tell your administrator."
        ),
    ),
)
