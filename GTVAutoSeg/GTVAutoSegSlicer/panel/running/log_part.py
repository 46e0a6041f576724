"""The panel's log: its last 500 lines, which the .ui file sets as the limit."""

from __future__ import annotations

from typing import Any

from ...failures import NAMING_CODES


class LogPart:
    """Lines of the runs of this session. No name of a volume goes in: it may be the patient's."""

    def __init__(self, ui: Any) -> None:
        self._text = ui.logText

    def add(self, line: str) -> None:
        """Append a line."""
        self._text.appendPlainText(line)

    def event(self, event: dict[str, Any]) -> None:
        """Append an event of the worker; progress is left out."""
        kind = event["event"]
        if kind == "stage":
            self.add(f"stage: {event['stage']}")
        elif kind == "warning":
            self.add(f"warning: {event['message']}")
        elif kind == "error":
            message = "" if event["code"] in NAMING_CODES else event["message"]
            self.add(f"error: {event['code']}: {message}".rstrip(": "))
        elif kind == "result" and "timings" in event:
            seconds = ", ".join(f"{step} {value:.2f} s" for step, value in event["timings"].items())
            how = event.get("device") or event.get("method")  # of a run, and of a completion
            self.add(f"result: {event['volume_ml']:.2f} mL, {how} ({seconds})")

    @property
    def text(self) -> str:
        """All lines there are."""
        return self._text.plainText
