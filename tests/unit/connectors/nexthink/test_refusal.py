"""What is shown of the tenant's words about a refusal: never a value, a token or a person."""

import pytest

from connectors.errors import AccessError, DataRefusedError
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.refusal import shown
from tests.unit.connectors.servers import TOKEN_PATH, Server, json_reply

EXECUTE = "/api/v2/nql/execute"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("There is no NQL API query with this id.", None),
        ("Parameters without a value: from, to.", None),
        ("The remote action may not be triggered by the API.", None),
        ("Missing required field(s): enrichments[0].fields (line 3, column 7)", None),
        ("device/device/#cost_center does not exist, remoteActionId must not be blank", None),
        ("User Maria Keller not found", "User ... not found"),
        ("Müller-Lüdenscheidt is unknown.", "... is unknown."),
        ("user jdoe not found, maria.keller neither", "user ... not found, ... neither"),
        ("m.keller@acme.com is not welcome", "... is not welcome"),
        ("Invalid value 'acme' for $device", "Invalid value ... for $device"),
        ("token eyJhbGciOiJIUzI1NiJ9.e30.abc expired", "token ... expired"),
        ("WS-FIN-0012 and 10.1.2.3 and S-1-5-21-1-2-3", "... and ... and ..."),
        ("employee 4711942 is late", "employee ... is late"),
        ("see https://example.com/?sig=1", "see ..."),
        ("a\x1b[2Jb", ""),
        ("x" * 9_000, ""),
        ("sales is no department", "... is no department"),
        ("a 'from' that is wrong", "a from that is wrong"),
    ],
)
def test_only_words_that_cannot_be_values_are_shown(message: str, words: str | None) -> None:
    expected = message if words is None else words
    assert shown(message, frozenset({"from", "device"}), ["sales", ""]) == expected


@pytest.mark.parametrize("status", [400, 405, 406, 409, 410, 413, 415, 422, 451])
@pytest.mark.parametrize(
    "envelope",
    [
        {"message": "$x must not be lower, Ada!", "code": 103, "source": "MARK"},
        {"code": "BAD_THING", "details": "$x must not be lower, Ada!"},
        {"error": {"code": 103, "message": "$x must not be lower, Ada!"}},
        {"errors": [{"code": 103, "message": "$x must not be lower, Ada!"}]},
    ],
)
def test_an_undocumented_refusal_has_the_tenant_s_code_and_words(
    server: Server, client: NexthinkClient, status: int, envelope: dict[str, object]
) -> None:
    server.on("POST", EXECUTE, json_reply(envelope, status))
    with pytest.raises(DataRefusedError) as caught:
        client.nql.execute("#things", {"x": "lower"})
    text = str(caught.value)
    assert f"HTTP {status}; the tenant says: $x must not be ..." in text
    assert "(code 103)" in text or "(code BAD_THING)" in text
    assert not {"MARK", "Ada", "lower"} & set(text.replace(",", " ").split())


def test_a_refused_credential_has_the_login_host_s_words(
    server: Server, client: NexthinkClient
) -> None:
    words = {"error": "invalid_scope", "error_description": "The scope MARK-x is not known, Ada."}
    server.on("POST", TOKEN_PATH, json_reply(words, 400))
    with pytest.raises(
        AccessError, match=r"code invalid_scope: The scope \.\.\. is not known"
    ) as caught:
        client.authenticate()
    assert "MARK" not in str(caught.value)
    assert "Ada" not in str(caught.value)
