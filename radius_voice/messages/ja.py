"""Japanese, polite."""

from radius_voice.messages.wording import Approval, CallEnded, LogInAgain, Messages, Shown, Spoken, Texted

MESSAGES = Messages(
    language="ja",
    shown=Shown(
        enter_code="{friendly_name}から末尾{ending}の番号に電話しています。聞こえたコードを入力してください:",
        call_queued=(
            "{friendly_name}から末尾{ending}の番号に約{seconds}秒後に電話します。聞こえたコードを入力してください:"
        ),
        wrong_code_one_left="コードが違います。あと1回入力できます。聞こえたコードを入力してください:",
        wrong_code="コードが違います。あと{attempts}回入力できます。聞こえたコードを入力してください:",
        new_call="末尾{ending}の番号に電話しています。新しいコードを入力してください:",
        no_new_call="現在、これ以上電話をかけることはできません。聞こえたコードを入力してください:",
        text_sent="{friendly_name}から末尾{ending}の電話番号にSMSを送信しました。コードを入力してください:",
        text_wrong_code_one_left="コードが違います。あと1回入力できます。SMSのコードを入力してください:",
        text_wrong_code="コードが違います。あと{attempts}回入力できます。SMSのコードを入力してください:",
        new_text="末尾{ending}の電話番号に新しいSMSを送信しました。新しいコードを入力してください:",
        no_new_text="現在、SMSを再送できません。最後のSMSのコードを入力してください:",
        no_call="現在、電話をかけることはできません。SMSのコードを入力してください:",
        no_text="現在、SMSを送信できません。聞こえたコードを入力してください:",
        issued_code="ヘルプデスクから受け取ったコードを入力してください:",
        issued_code_wrong_one_left="コードが違います。あと1回入力できます。ヘルプデスクから受け取ったコードを入力してください:",
        issued_code_wrong="コードが違います。あと{attempts}回入力できます。ヘルプデスクから受け取ったコードを入力してください:",
        rejected="ログインが拒否されました。",
    ),
    log_in_again=LogInAgain(
        called="{friendly_name}から末尾{ending}の番号に電話しています。パスワード{delimiter}コードでもう一度ログインしてください",
        call_queued=(
            "{friendly_name}から末尾{ending}の番号に約{seconds}秒後に電話します。"
            "その後、パスワード{delimiter}コードでもう一度ログインしてください"
        ),
        texted="{friendly_name}から末尾{ending}の電話番号にSMSを送信しました。パスワード{delimiter}コードでもう一度ログインしてください",
        wrong_code_one_left="コードが違います。あと1回入力できます。パスワード{delimiter}コードでもう一度ログインしてください",
        wrong_code="コードが違います。あと{attempts}回入力できます。パスワード{delimiter}コードでもう一度ログインしてください",
        no_new_call="現在、これ以上電話をかけることはできません。パスワード{delimiter}コードでもう一度ログインしてください",
        no_new_text="現在、SMSを再送できません。パスワード{delimiter}コードでもう一度ログインしてください",
        issued_code="ヘルプデスクのコードがあります。パスワード{delimiter}コードでもう一度ログインしてください",
    ),
    call_ended=CallEnded(
        busy="お電話は話し中でした。もう一度電話を受けるには phone と入力するか、コードを入力してください:",
        no_answer="電話に応答がありませんでした。もう一度受けるには phone と入力するか、コードを入力してください:",
        failed="電話がつながりませんでした。もう一度受けるには phone と入力するか、コードを入力してください:",
        machine="留守番電話が応答しました。もう一度電話を受けるには phone と入力してください:",
        no_code="コードをお伝えする前に通話が終了しました。もう一度電話を受けるには phone と入力してください:",
    ),
    spoken=Spoken(
        locale="ja-JP",
        greeting="こちらは、{friendly_name}です。",
        code="コードをお知らせします。",
        code_again="もう一度お知らせします。",
        press_key="コードをお聞きになるには、1 を押してください。",
        wait="コードをお伝えしますので、少々お待ちください。",
        issued_code="ヘルプデスクが、ご利用のアカウントへのログイン用コードを発行しました。",
        enrolment_code="ログイン用ではなく、ヘルプデスク用のコードをお知らせします。",
        enrolment_closing="このお電話にお心当たりがなければ、管理者にご連絡ください。失礼いたします。",
        closing="ログインの操作をしていない場合は、管理者にご連絡ください。失礼いたします。",
    ),
    approval=Approval(
        question="{friendly_name}です。{gateway}へのログインがあります。",
        question_from="{friendly_name}です。{calling_station_id}から{gateway}へのログインがあります。",
        keys="承認するには、シャープを押してください。お心当たりがない場合は、9を押してください。",
        approved="ログインを承認しました。失礼いたします。",
        fraud_reported="ログインを拒否し、アカウントをロックしました。管理者にお知らせください。失礼いたします。",
        ended="このログインはすでに終了しています。失礼いたします。",
    ),
    texted=Texted(
        code="{friendly_name}: コードは{code}です。心当たりがない場合は管理者に連絡してください。",
        enrolment_code=(
            "{friendly_name}: ヘルプデスク用のコードは{code}です。"
            "ログイン用ではありません。心当たりがない場合は管理者に連絡してください。"
        ),
        issued_code=(
            "{friendly_name}: ヘルプデスクがお客様のアカウントのログイン用コードを発行しました。"
            "心当たりがない場合は管理者に連絡してください。"
        ),
    ),
)
