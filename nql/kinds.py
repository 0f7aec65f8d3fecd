"""The data types of NQL."""

from enum import StrEnum


class Kind(StrEnum):
    """A data type under its name in NQL."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOLEAN = "Boolean"
    DATETIME = "date time"
    ENUM = "enumeration"
    BYTES = "byte"
    DURATION = "duration"
    VERSION = "version"
    IP = "IP address"
    ARRAY = "string array"
