"""Trainings of tiny networks that a test starts as a program does, and follows."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import write_preset, write_task

from GTVAutoSegLib.commands.cli import main


def command(folder: Path, data: Path, *options: object, epochs: int = 2) -> list[str]:
    """`gtvautoseg train` of one fold on tiny networks."""
    task = write_task(folder / "task.json")
    preset = write_preset(folder / "preset.json", epochs=epochs, ema=0.9)
    return [
        *("train", str(task), str(data), str(folder / "run")),
        *("--preset", str(preset), "--device", "cpu", "--fold", "1", *map(str, options)),
    ]


class Events(list):
    """Takes the events of a command; calls ``react`` with each."""

    def __init__(self, react=lambda event: None) -> None:
        super().__init__()
        self.react = react

    def append(self, event) -> None:
        super().append(event)
        self.react(event)


def followed(arguments: list[str], react=lambda event: None) -> tuple[int, list[dict]]:
    """Exit code and events of a command that runs in this process."""
    events = Events(react)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("GTVAutoSegLib.commands.learning.following.claim_standard_output", lambda: events.append)
        return main([*arguments, "--progress", "json"]), events
