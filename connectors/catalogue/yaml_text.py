"""YAML as the catalogue reads it: plain values only, a key at most once, and within limits."""

import re
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.composer import Composer

from connectors import text_files

# More than any specification needs. Deeper text would exhaust Python's stack, and aliases of
# aliases can make gigabytes of a few lines.
MOST_BYTES: Final = 1_048_576
DEEPEST: Final = 40
MOST_NODES: Final = 200_000
_UNQUOTED: Final = re.compile("scanning an alias|cannot start any token")
# What reading a file may raise.
UNREADABLE: Final = (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError)

if yaml.__with_libyaml__:

    class _Parsed(Composer, yaml.CSafeLoader):
        """Text parsed by libyaml, which takes an eighth of the time of PyYAML's own parser.

        PyYAML still composes the nodes: libyaml's loader recurses in C, so deeply nested text would
        crash the process instead of raising an error.
        """

        def __init__(self, text: str) -> None:
            yaml.CSafeLoader.__init__(self, text)
            Composer.__init__(self)
else:
    _Parsed = yaml.SafeLoader  # type: ignore[misc, assignment] # a class in either case


class _Loader(_Parsed):
    """Refuses a key that comes twice: YAML would silently drop the first one."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _refused(f"nested more than {DEEPEST} levels deep", self.peek_event())
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            _count(node, {})
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        met: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (key.tag, key.value) in met:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} is given twice", key.start_mark
                )
            met.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError):
            # Such as the date 2026-13-01, or a number of 5,000 digits.
            raise _refused("a value that is none of its type", node) from None


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML document.

    Raises:
        yaml.YAMLError: it is not YAML, has a key twice, asks for more than plain values, or is
            nested or repeated beyond all need; it names the line.
    """
    try:
        return _Loader(text).get_single_data()
    except yaml.reader.ReaderError as error:
        line = text.encode("utf-8", "replace").count(b"\n", 0, error.position) + 1
        raise yaml.YAMLError(f"a character that YAML does not allow (line {line})") from None


def read_yaml(path: Path) -> Any:
    """Return the value of a YAML file.

    Raises:
        OSError, UnicodeDecodeError, yaml.YAMLError: it cannot be read; see `why_unreadable`.
    """
    return parse_yaml(read_catalogue_text(path))


def read_catalogue_text(path: Path) -> str:
    """Return the text of a file of the catalogue.

    Raises:
        OSError, UnicodeDecodeError: it is not a file, too large, or not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise OSError("it is not a file")
    if path.stat().st_size > MOST_BYTES:
        raise OSError(f"it is larger than {MOST_BYTES:,} bytes")
    return text_files.read_text(path)


def why_unreadable(error: Exception) -> str:
    """Return in one line why a file could not be read, with the line number where it is known."""
    match error:
        # A mark is of one class or another, by the parser.
        case yaml.MarkedYAMLError(problem=str(problem), problem_mark=mark) if mark:
            context = f"{error.context}, " if error.context else ""
            # Such as a cron expression that begins with *.
            hint = ": write the value in quotes" if _UNQUOTED.search(f"{context}{problem}") else ""
            return f"{context}{problem}{hint} (line {mark.line + 1}, column {mark.column + 1})"
        case UnicodeDecodeError():
            line = error.object.count(b"\n", 0, error.start) + 1
            return f"it is not UTF-8 (line {line})"
        case OSError():
            return f"it cannot be read: {error.strerror or error}"
        case _:
            return " ".join(str(error).split())


def _refused(why: str, at: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, why, at.start_mark)


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many nodes this is with its aliases written out."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        if known[id(node)] == 0:
            raise _refused("an alias that contains itself", node)
        return known[id(node)]
    known[id(node)] = 0
    total = 1
    for child in node.value:
        parts = child if isinstance(child, tuple) else (child,)
        total += sum(_count(part, known) for part in parts)
        if total > MOST_NODES:
            raise _refused(f"aliases that repeat more than {MOST_NODES:,} values", node)
    known[id(node)] = total
    return total
