"""Where one types: keys act in the order in which they come, however fast."""

from __future__ import annotations

from textual import events
from textual.widget import Widget
from textual.widgets import Input


async def edit(widget: Widget, event: events.Key) -> None:
    """Do at once what a key does to the text, or the cursor in it, of a widget one types into.

    Textual inserts a letter at once, but lets any other key travel up to the app before its
    binding is looked for: of a bunch of keys, as slow lines bring them, the letters came first.
    Enter travels: what else was typed before it has arrived by then. The widget's own bindings
    count and not those in force: a key behind this one may have moved the focus.
    """
    if event.is_printable or event.key == "enter":
        return
    for binding in widget._bindings.key_to_bindings.get(event.key, ()):
        if "." not in binding.action and await widget.app.run_action(binding.action, widget):
            event.stop()
            event.prevent_default()  # nor the handler of Textual's own class
            return


class LineInput(Input):
    """One line of text."""

    async def _on_key(self, event: events.Key) -> None:
        await edit(self, event)
