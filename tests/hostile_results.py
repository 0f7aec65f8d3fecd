"""Random results of a tenant: what they are made of, and what an independent reading finds in them.

A case is a text (values that fit and that do not, quotes, line breaks, ragged rows), a zone with a
change of clocks in the window, and a compression with its own ways to be broken.
"""

import gzip
import io
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import zstandard

from tests.independent_reading import Field, MisfitError, NotCsvError, records, value_of

DAY = timedelta(days=1)
PACKING_ERRORS = (zlib.error, zstandard.ZstdError)
# Rows with this number are left out by the dataset.
LEFT_OUT = 42
NOTHING: Field = ("", False)
KINDS = {
    "at": "datetime",
    "text": "string",
    "number": "int",
    "size": "bytes",
    "score": "float",
    "took": "duration",
    "flag": "bool",
    "day": "date",
    "seen": "datetime",
    "tags": "list",
    "detail": "json",
    "new": "string",
}
# Windows in which clocks change, or of zones with offsets that are no whole hours: zone, first day,
# days. A window does not begin in a repeated hour.
PLACES = [
    ("UTC", "2026-06-10", 1),
    ("Europe/Zurich", "2026-03-29", 1),
    ("Europe/Berlin", "2026-10-24", 2),
    ("America/New_York", "2026-03-08", 1),
    ("America/New_York", "2026-11-01", 1),
    ("America/St_Johns", "2026-11-01", 1),
    ("Australia/Lord_Howe", "2026-10-03", 1),
    ("Australia/Lord_Howe", "2026-04-04", 1),
    ("Asia/Kolkata", "2026-06-10", 1),
    ("Asia/Kathmandu", "2026-06-10", 1),
    ("Pacific/Chatham", "2026-09-26", 1),
    ("Pacific/Kiritimati", "2026-06-10", 1),
    ("Africa/Casablanca", "2026-03-22", 1),
]
TEXTS = ["", "a", " a ", "NULL", "null", "\\N", "n/a", "a,b", 'say "x"', '"', "a\nb", "a\r\nb"]
TEXTS += ["\r", "\n", "\t", "a\0b", "\ufeff", "é", "😀", "\u2028", "\x1a", "=1+1", "'", "\\", "%s"]
TEXTS += ["true", "2026-01-01", "[a]", "{}", "x" * 3_000, '""', ",", "\ud7ff", "\U0010ffff", "\x85"]
WHOLE = ["0", "-0", "7", "007", "+5", "-9223372036854775808", "9223372036854775807", "42", "1"]
WHOLE += ["9223372036854775808", " 5", "5 ", "1_0", "1e3", "5.0", "\u0663", "0x10", "--5", "+", "-"]
FRACTIONS = ["0", "-0.0", "1.5", ".5", "5.", "1e3", "1E-7", "+2.25", "4.9e-324", "1e-400", "0.1"]
FRACTIONS += ["1.7976931348623157e308", "123456789.123456789", "9007199254740993", "-1e22", "1e22"]
FRACTIONS += ["NaN", "inf", "-Infinity", "1e999", "1e", "1,5", "0x1p3", "1_0.5", "1f", " 1.5", "."]
FLAGS = ["true", "false", "TRUE", "False", "1", "0", "yes", "t", "2", " true", "tRuE"]
DATES = ["2026-01-05", "2024-02-29", "0001-01-01", "9999-12-31", "1969-12-31", "1582-10-10"]
DATES += ["2026-02-29", "2026-1-5", "0000-01-01", "2026-13-01", "20260105", "2026-01-05 "]
TIMES = [
    "00:00:00",
    "01:30:00",
    "02:00:00",
    "02:30:15",
    "02:59:59.999999",
    "03:15:00.5",
    "12:00:00",
]
TIMES += ["00:30:00.123456789", "23:59:59", "01:59:59.9999999", "23:30:00.000001", "02:45:00"]
BAD_TIMES = ["24:00:00", "12:00:60", "12:60:00", "2:00:00", "12:00", "12:00:00.", "12:00:00,5"]
OFFSETS = ["", "", "", "Z", "+02:00", "-0330", "+05:30", "+14:00", "-12:00"]
BAD_OFFSETS = ["+15:00", "z", " UTC", "+2", "+02:60", "+02"]
LISTS = ["[]", "[ ]", "[a]", "[a, b]", "[22631, 4169]", "[null, a]", '["a, b", "c"]', '["x", 1.50]']
LISTS += [
    '["", null]',
    "[a,,b]",
    "[a",
    "a]",
    "a",
    "[[a]]",
    "[{}]",
    '[["a"]]',
    '["a"',
    '["a", true]',
]
LISTS += ["[é, 😀]", '["\\ud800"]', '["\\ud83d\\ude00"]', '{"a": 1}', "[,]", "[NaN]", '["a", NaN]']
DETAILS = ["{}", "[]", "1", '"x"', "null", '{"a": [1, 2.5, "é"]}', " {} ", '{"a": 1e5}', "true"]
DETAILS += [
    "{",
    "{'a': 1}",
    "NaN",
    "[1,]",
    "// x\n1",
    '{"a": 1e999}',
    "01",
    '"\t"',
    "x",
    '{"a":NaN}',
]
# What becomes of the text as a whole.
WHOLE_TEXT = [
    "",
    "",
    "",
    "",
    "bom",
    "crlf",
    "cr",
    "no end",
    "blank",
    "ragged",
    "torn",
    "inner quote",
]
WHOLE_TEXT += ["after quote", "unclosed", "bare cr", "not utf-8", "stray", "long", "many", "header"]
PACKINGS = ["plain", "zstd", "gzip"]
BREAKS = [
    "",
    "",
    "",
    "",
    "frames",
    "cut",
    "garbage",
    "zeros",
    "flipped",
    "skippable",
    "empty frame",
]


@dataclass
class Reading:
    """What an independent reading finds in a result."""

    names: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: int = 0
    filtered: int = 0
    outside: int = 0
    strayed: int = 0


class Case:
    """One random result: its bytes, and what of it has to land."""

    def __init__(self, number: int) -> None:
        self.chance = random.Random(number)
        self.zone, day, days = self.chance.choice(PLACES)
        self.day = datetime.fromisoformat(day).replace(tzinfo=UTC)
        self.end = self.day + days * DAY
        self.change = self.chance.choice(WHOLE_TEXT)
        # Plain text without a length is only whole if its last line ends.
        is_open = self.change == "no end"
        self.packing = self.chance.choice(PACKINGS[is_open:])
        self.broken = self.chance.choice(BREAKS) if self.packing != "plain" else ""
        self.body = self._packed(self._encoded(self._text()))

    def _text(self) -> str:
        names = list(KINDS)
        if self.change == "header":
            names[self.chance.randrange(len(names))] = self.chance.choice(["text", "at", "", "AT"])
        rows = self.chance.choice([0, 1, 3, 20, 60])
        if self.change == "many":
            rows = self.chance.choice([400, 400, 400, 4_000])
        lines = [",".join(names), *(self._row() for _ in range(rows))]
        place = self.chance.randrange(1, len(lines) + 1)
        changed = {
            "blank": [""],
            "ragged": [self.chance.choice(["a", "a,b", self._row() + ",more", ","])],
            "torn": ['a,"b\nc"'],
            "inner quote": [self._row().replace(",", ',a"b,', 1)],
            "after quote": [self._row().replace(",", ',"a"b,', 1)],
            "unclosed": ['2026-06-10 00:00:00,"never'],
            "bare cr": [self._row().replace(",", ",a\rb,", 1)],
            "stray": [self._at(self.end + DAY) + "," * (len(KINDS) - 1)],
            "long": [self._row().replace(",", f",{'y' * 700_000},", 1)],
        }
        lines[place:place] = changed.get(self.change, [])
        end = {"crlf": "\r\n", "cr": "\r"}.get(self.change, "\n")
        text = end.join(lines) + ("" if self.change == "no end" else end)
        return "\ufeff" + text if self.change == "bom" else text

    def _encoded(self, text: str) -> bytes:
        encoded = text.encode()
        if self.change == "not utf-8":
            place = encoded.index(b"\n") + 1
            return encoded[:place] + b"\xff\xfe" + encoded[place:]
        return encoded

    def _row(self) -> str:
        return ",".join(self._written(name, kind) for name, kind in KINDS.items())

    def _written(self, name: str, kind: str) -> str:
        chance = self.chance
        if name == "at":
            at = self.day + timedelta(
                microseconds=chance.randrange((self.end - self.day) // timedelta(microseconds=1))
            )
            return self._at(
                chance.choice([at, at, at.replace(microsecond=0), at, self.day, self.end])
            )
        if chance.random() < 0.1:
            return chance.choice(["", '""'])
        text = chance.choice(VALUES[kind]) if kind != "datetime" else self._seen()
        # Most values fit, so that some rows land.
        for _ in range(4):
            try:
                value_of((text, True), kind, self.zone)
                break
            except MisfitError:
                text = chance.choice(VALUES[kind]) if kind != "datetime" else self._seen()
        if any(sign in text for sign in ',"\r\n') or chance.random() < 0.2:
            return '"' + text.replace('"', '""') + '"'
        return text

    def _at(self, at: datetime) -> str:
        if self.chance.random() < 0.5:
            return f"{at:%Y-%m-%d %H:%M:%S.%f}Z"
        local = at.astimezone(ZoneInfo(self.zone))
        naive = local.replace(tzinfo=None)
        # The second of a repeated hour needs its offset.
        return naive.isoformat(" ") if not local.fold else local.isoformat(" ")

    def _seen(self) -> str:
        chance = self.chance
        day = (self.day + timedelta(days=chance.choice([-1, 0, 0, 0, 1]))).strftime("%Y-%m-%d")
        day = chance.choice([day, day, day, *DATES])
        clock = chance.choice([*TIMES, *TIMES, *BAD_TIMES])
        return day + chance.choice("T ") + clock + chance.choice([*OFFSETS, *OFFSETS, *BAD_OFFSETS])

    def _packed(self, text: bytes) -> bytes:
        if self.packing == "plain":
            return text
        pack: Callable[[bytes], bytes] = gzip.compress
        if self.packing == "zstd":
            pack = zstandard.ZstdCompressor(write_checksum=True).compress
        cut = self.chance.randrange(len(text) + 1)
        body = pack(text)
        if self.broken == "frames":
            return pack(text[:cut]) + pack(text[cut:])
        if self.broken == "empty frame":
            return pack(text) + pack(b"")
        if self.broken == "skippable" and self.packing == "zstd":
            return body + b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
        place = self.chance.randrange(12, len(body))
        flipped = body[:place] + bytes([body[place] ^ 1 << self.chance.randrange(8)])
        return {
            "cut": body[: self.chance.randrange(1, len(body))],
            "garbage": body + b"more",
            "zeros": body + b"\0" * 8,
            "flipped": flipped + body[place + 1 :],
        }.get(self.broken, body)

    def expected(self) -> Reading | None:
        """Return what lands, None if the result must be refused."""
        try:
            found = records(self._unpacked().decode("utf-8-sig"))
        except (UnicodeDecodeError, NotCsvError, EOFError, OSError, *PACKING_ERRORS):
            return None
        header = [name for name, _ in found[0]]
        # AT would land under the name of at.
        if "at" not in header or {"", "AT"} & set(header) or len(set(header)) < len(header):
            return None
        reading = Reading([name for name in KINDS if name != "new" or name in header])
        for record in found[1:]:
            if len(record) != len(header):
                if any(sign in value for value, _ in record for sign in "\r\n"):
                    return None
                reading.rejected += 1
                continue
            self._place(dict(zip(header, record, strict=True)), reading)
        return None if reading.strayed else reading

    def _place(self, given: dict[str, Field], reading: Reading) -> None:
        try:
            row = {
                name: value_of(given.get(name, NOTHING), KINDS[name], self.zone)
                for name in reading.names
            }
        except MisfitError:
            row = {"at": None}
        if row["at"] is None:
            reading.rejected += 1
        elif self.day <= row["at"] < self.end and row["number"] == LEFT_OUT:
            reading.filtered += 1
        elif self.day <= row["at"] < self.end:
            reading.rows.append(row)
        elif row["at"] == self.end:
            reading.outside += 1
        else:
            reading.strayed += 1

    def _unpacked(self) -> bytes:
        if self.broken in {"cut", "garbage", "zeros"}:
            raise EOFError
        if self.packing == "plain":
            return self.body
        if self.packing == "gzip":
            return gzip.decompress(self.body)
        with zstandard.ZstdDecompressor().stream_reader(
            io.BytesIO(self.body), read_across_frames=True
        ) as reader:
            return bytes(reader.read())


VALUES = {
    "string": TEXTS,
    "int": WHOLE,
    "bytes": WHOLE,
    "float": FRACTIONS,
    "duration": FRACTIONS,
    "bool": FLAGS,
    "date": DATES,
    "list": LISTS,
    "json": DETAILS,
}
