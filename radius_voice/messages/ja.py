"""Japanese, polite."""

from radius_voice.messages.wording import Messages, Shown, Spoken

MESSAGES = Messages(
    language="ja",
    shown=Shown(
        enter_code="{friendly_name}から末尾{ending}の番号に電話しています。聞こえたコードを入力してください:",
        wrong_code_one_left="コードが違います。あと1回入力できます。聞こえたコードを入力してください:",
        wrong_code="コードが違います。あと{attempts}回入力できます。聞こえたコードを入力してください:",
        new_call="末尾{ending}の番号に電話しています。新しいコードを入力してください:",
        no_new_call="現在、これ以上電話をかけることはできません。聞こえたコードを入力してください:",
        issued_code="ヘルプデスクから受け取ったコードを入力してください:",
        issued_code_wrong_one_left="コードが違います。あと1回入力できます。ヘルプデスクから受け取ったコードを入力してください:",
        issued_code_wrong="コードが違います。あと{attempts}回入力できます。ヘルプデスクから受け取ったコードを入力してください:",
        rejected="ログインが拒否されました。",
    ),
    spoken=Spoken(
        locale="ja-JP",
        greeting="こちらは、{friendly_name}です。",
        code="コードをお知らせします。",
        code_again="もう一度お知らせします。",
        issued_code="ヘルプデスクが、ご利用のアカウントへのログイン用コードを発行しました。",
        enrolment_code="ログイン用ではなく、ヘルプデスク用のコードをお知らせします。",
        enrolment_closing="このお電話にお心当たりがなければ、管理者にご連絡ください。失礼いたします。",
        closing="ログインの操作をしていない場合は、管理者にご連絡ください。失礼いたします。",
    ),
)
