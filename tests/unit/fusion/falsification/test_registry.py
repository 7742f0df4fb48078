from commissure.fusion.falsification.check import FalsificationCheck, Verdict
from commissure.fusion.falsification.registry import CHECKS


def test_checks_have_names_of_their_own_and_ask_a_question() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check.question.endswith("?") for check in CHECKS)
    assert all(check.attempt.__doc__ for check in CHECKS)


def test_a_check_is_a_function_with_a_name() -> None:
    check = FalsificationCheck("new", "Is it so?", lambda fitted: Verdict(1.0, "1", True, "yes"))
    assert check.record(None) == {
        "name": "new", "question": "Is it so?", "value": 1.0, "expected": "1", "passed": True,
        "description": "yes",
    }  # fmt: skip
