"""The tenant's own words about a refusal, without the values, tokens and people in them.

The APIs write them in different envelopes, and sometimes quote what they were sent. So only words
that cannot be a value are shown: lower-case words, names of fields and parameters, small numbers,
and capitalised words that are not names. Everything else, and every value of the request, is left
out.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, Final

import httpx

from connectors.errors import Exchange
from connectors.http.exchanges import exchange_of

# A server may echo what it was sent as the code; only what looks like a code is shown.
_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[0-9]{1,3}")
_LONGEST_CODE: Final = 40
# Of the login host: such as invalid_scope.
_OAUTH_CODE: Final = re.compile(
    r"(?:access|invalid|server|temporarily|unauthorized|unsupported)_[a-z_]{3,30}"
)
_LONGEST_MESSAGE: Final = 300
_LONGEST_ANSWER: Final = 1_000_000
# The envelopes' names for the message; OAuth's is the last.
_MESSAGES: Final = ("message", "details", "detail", "errorMessage", "error_description")
_LEFT_OUT: Final = "..."

_QUOTED: Final = re.compile(
    r'"[^"]*"|(?<!\w)\'[^\']*\'(?!\w)|`[^`]*`|“[^”]*”|«[^»]*»|\u2018[^\u2019]*\u2019'
    r"|<[^>]*>|\{[^}]*\}"
)
_WORD: Final = re.compile(r"(\(*)(.*?)([.,;:!?)]*)")
_END: Final = re.compile(r"[.,;:!?]+\Z")
# A word, also with an apostrophe or hyphen; an identifier as documents write it; a small number.
_PART: Final = r"[a-z]{1,24}(?:[A-Z][a-z]{2,24}|Ids?){0,4}(?:\[[0-9]{1,5}\])?"
# A dotted or underscored name is shown only below what the product has: it may be an account.
_ROOT: Final = (
    r"(?:device|devices|user|users|userSid|binary|package|remote_action|workflow|campaign|execution"
    r"|event|session|enrichments|params|parameters|trigger_method|request_id|nql_id|collector)"
)
_PLAIN: Final = re.compile(
    rf"[a-z]{{1,24}}(?:\(s\)|(?:['\u2019-][a-z]{{1,24}}){{1,4}})|{_PART}"
    rf"|\$?{_ROOT}(?:\[[0-9]{{1,5}}\])?(?:[_.]{_PART}){{0,6}}"
    r"|(?:device|user|binary|package)(?:/[a-z_]{1,40}){1,3}(?:/#[a-z_]{1,64})?"
    r"|#[a-z_]{2,64}|[0-9]{1,5}|[A-Z]{2,20}(?:_[A-Z0-9]{1,20}){1,6}"
)
# After these words comes what they are called, unless it is one of the words below.
_CALLED: Final = (
    "account computer device host hostname machine name named person upn user username value"
)
_NOT_CALLED: Final = (
    "does doesn't exists identifiers may might needs should than which will with without"
)
# What a request names that is not a value: ids of queries and actions, fields, a compression.
_SETTING: Final = re.compile(r"#[a-z0-9_]+|[a-z]+(?:/#?[a-z0-9_]+){2,}|zstd|gzip|none")
# Capitalised words that begin sentences or name parts of the product; any other may be a name.
_CAPITALISED: Final = """
    a access action actions all already an and another api are at authentication authorization bad
    binary body both campaign campaigns cannot client code collector compression condition content
    could credential custom daily data date device devices domain each either empty error event
    every execution executions expected export exports failed field fields file for forbidden format
    found from gzip header has http id identification identifier ids if in inactive input inputs
    instance integer internal invalid is it item json length license licence limit line list lists
    malformed manual maximum message minimum missing must name names nexthink no none not nql number
    object objects of on one only operation or package parameter parameters parse permission please
    property query quota rate refused remote request requests required resource result results
    retry row rows server service sid sids size some sorry source state status string syntax table
    target targets tenant that the there these this those time timeout token too trigger type
    unable unauthorized unexpected unknown unsupported upn upns url user users utc uuid uuids value
    values was wrong workflow workflows you your zstd
    """
_NOUNS, _VERBS, _COMMON = (
    frozenset(words.split()) for words in (_CALLED, _NOT_CALLED, _CAPITALISED)
)


def answered(response: httpx.Response, *, with_code: bool = False) -> Exchange:
    """Return the parts of an exchange that may be shown, with the tenant's words about it.

    With `with_code` also its code, for errors whose message does not have it.
    """
    code = tenant_code(response) if with_code else None
    said = ": ".join(part for part in (f"code {code}" if code else "", said_in(response)) if part)
    return replace(exchange_of(response.request, response), said=said or None)


def tenant_code(response: httpx.Response) -> str | None:
    """Return the code of the tenant's error, if it has one."""
    envelope = _envelope(response)
    word = envelope.get("error")
    if isinstance(word, str) and _OAUTH_CODE.fullmatch(word):
        return word
    return code_of(envelope.get("code"))


def code_of(given: object) -> str | None:
    """Return a code as text, None if it does not look like one."""
    text = str(given) if isinstance(given, str | int) else ""
    return text if len(text) <= _LONGEST_CODE and _CODE.fullmatch(text) else None


def said_in(response: httpx.Response) -> str:
    """Return the message of a refusal, as far as it may be shown; empty without any."""
    envelope = _envelope(response)
    given = next((text for name in _MESSAGES if isinstance(text := envelope.get(name), str)), "")
    return shown(given, *_sent(response.request)) if given else ""


def shown(message: str, names: frozenset[str] = frozenset(), values: Collection[str] = ()) -> str:
    """Return a message without what may be a value, a token or a person; empty if nothing is left.

    Args:
        message: the tenant's.
        names: of fields and parameters that were sent: these may be shown.
        values: the texts that were sent, in lower case.
    """
    cut = message[:_LONGEST_MESSAGE]
    lowered = cut.lower()
    for value in sorted((each for each in values if each and each in lowered), key=len)[::-1]:
        cut = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", _LEFT_OUT, cut, flags=re.IGNORECASE)
    cut = _QUOTED.sub(lambda found: _quoted(found[0], names), cut)
    given = cut.split()
    words = [_word(word, names, before) for word, before in zip(given, ["", *given], strict=False)]
    kept = [
        word
        for word, before in zip(words, [None, *words], strict=False)
        if word != _LEFT_OUT or before != _LEFT_OUT
    ]
    if not any(re.search(r"[^\W\d_]", word) for word in kept):
        return ""
    return " ".join(kept) + (" …" if len(message) > _LONGEST_MESSAGE else "")


def _quoted(text: str, names: frozenset[str]) -> str:
    inner = text[1:-1].removeprefix("$")
    return inner if inner in names else f" {_LEFT_OUT} "


def _word(text: str, names: frozenset[str], before: str) -> str:
    if text.startswith(_LEFT_OUT):
        return text if not text.strip(".,;:!?)") else _LEFT_OUT
    opening, word, closing = _WORD.fullmatch(text).groups()  # type: ignore[union-attr] # the pattern takes any text
    if word.removeprefix("$") in names or word.lower() in _COMMON or not word:
        return f"{opening}{word}{closing}"
    if before.lower() in _NOUNS and word not in _VERBS:
        return _LEFT_OUT
    if _PLAIN.fullmatch(_END.sub("", text)):
        return text
    return f"{opening}{word}{closing}" if _PLAIN.fullmatch(word) else _LEFT_OUT


def _envelope(response: httpx.Response) -> dict[str, Any]:
    if len(response.content) > _LONGEST_ANSWER:
        return {}
    try:
        read = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    # Some gateways put it one level deeper.
    found = read if isinstance(read, dict) else {}
    several = found.get("errors")
    for inner in (found.get("error"), several[0] if isinstance(several, list) and several else 0):
        if isinstance(inner, dict):
            return inner
    return found


def _sent(request: httpx.Request) -> tuple[frozenset[str], list[str]]:
    """Return the names of fields and parameters in a request, and its values."""
    try:
        body = json.loads(request.content or b"null")
    except (ValueError, RecursionError, httpx.RequestNotRead):
        return frozenset(), []
    names: set[str] = set()
    values = dict.fromkeys(_leaves(body, names))
    return frozenset(names), [each for each in values if each and not _SETTING.fullmatch(each)]


def _leaves(value: Any, names: set[str]) -> Iterator[str]:
    if isinstance(value, dict):
        names.update(map(str, value))
        for each in value.values():
            yield from _leaves(each, names)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, names)
    elif isinstance(value, str):
        yield value.strip().lower()
