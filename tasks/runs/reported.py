"""Passing on the reports of syncs and actions, also of runs that end in an error.

A flow that fails returns nothing, so the command that started it listens here.
"""

from typing import Any

from connectors.listeners import Listeners

_REPORTS: Listeners[dict[str, Any]] = Listeners()
tell_report = _REPORTS.tell
hearing = _REPORTS.listening
