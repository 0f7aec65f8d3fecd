"""Whether an answer is a yes: no action on the devices of people who disagree."""

import pytest

from connectors.actions import Consent
from tasks.act.consent import agrees


@pytest.mark.parametrize(
    ("text", "question", "is_agreed"),
    [
        ('{"agreement": "Yes"}', None, True),
        ('{"agreement": "YES "}', None, True),
        ("yes", None, True),
        ('{"agreement": "No"}', None, False),
        ("", None, False),
        (None, None, False),
        # A yes to another question is not consent.
        ('{"agreement": "No", "was it slow": "Yes"}', None, False),
        ('{"agreement": "Yes", "comment": "but not today"}', None, False),
        ('{"agreement": "Yes", "comment": "go on"}', "Agreement", True),
        ('{"agreement": "No", "was it slow": "Yes"}', "agreement", False),
        ('{"was it slow": "Yes"}', "agreement", False),
        ('[{"question": "Agreement", "answer": "Yes"}]', "agreement", True),
        ('[{"question": "agreement", "answer": ["Yes", "No"]}]', "agreement", False),
    ],
)
def test_only_what_agrees_to_the_question_is_a_yes(
    text: str | None, question: str | None, is_agreed: bool
) -> None:
    consent = Consent(campaign="ask", agree=("Yes", "OK"), question=question)
    assert agrees(text, consent) is is_agreed
