"""Inputs in which keys act in the order they come, however fast."""

from __future__ import annotations

from textual import events
from textual.reactive import Reactive, reactive
from textual.widget import Widget
from textual.widgets import Input


async def edit(widget: Widget, event: events.Key) -> None:
    """Run a key's binding in an input widget at once.

    Textual inserts letters at once, but sends other keys up to the app before it looks for
    their bindings: when keys come in a burst, as over slow lines, letters would overtake them.
    Enter is left to Textual: what was typed before it has arrived by then. Only the widget's
    own bindings count, because a later key may already have moved the focus.
    """
    if event.is_printable or event.key == "enter":
        return
    for binding in widget._bindings.key_to_bindings.get(event.key, ()):
        if "." not in binding.action and await widget.app.run_action(binding.action, widget):
            event.stop()
            event.prevent_default()  # keeps Textual's own handler out
            return


class LineInput(Input):
    """An input of one line."""

    # One that blinks sends 282 bytes a second to an idle terminal, for ever.
    cursor_blink: Reactive[bool] = reactive(False, init=False)

    async def _on_key(self, event: events.Key) -> None:
        await edit(self, event)
