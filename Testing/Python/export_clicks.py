"""The clicks of a person who runs the model and exports what it found."""

from __future__ import annotations


def click(panel, button):
    """Press a button, and wait for the end of the run that it starts."""
    from Testing.runtime import process_events_until

    button.click()
    assert process_events_until(lambda: not panel.running, timeout=20)


def run(panel):
    """Run the model."""
    click(panel, panel.ui.segmentButton)


def export(panel):
    """Export into the file that the dialog is answered with."""
    click(panel, panel.ui.exportButton)


def said_by(panel):
    """What the panel says of the export, without the places where a long path may be broken."""
    return panel.ui.exportStatus.text.replace("\u200b", "")
