from radius_voice.login.deliveries.caller_numbers import CallerNumbers
from radius_voice.login.phone import Phone

US, GB, CALLED_IN_GB = Phone("+12025550123"), Phone("+442079460958"), Phone("+442079460959")


def test_a_call_comes_from_the_number_of_its_country_or_else_from_the_default():
    callers = CallerNumbers(US, {"GB": GB})
    assert GB == callers.of_call_to(CALLED_IN_GB)
    assert US == callers.of_call_to(Phone("+4930901820"))
    assert US == CallerNumbers(US).of_call_to(CALLED_IN_GB)


def test_each_number_is_listed_once():
    assert (US, GB) == CallerNumbers(US, {"GB": GB, "US": US, "IE": GB}).every
