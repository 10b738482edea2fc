"""The screen: panes, bars and dialogs; the one room that knows textual."""
