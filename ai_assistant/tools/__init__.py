"""The tools that the site runs for the model. On the site they run with the permissions of the user who asks.

- `tool` has the type of a tool, and the decorator for functions of other apps.
- `catalog` finds the tools of a mode by their names.
- `functions` runs a Python function as a tool, on a connection of its own.
- `access` decides which DocTypes and fields a tool may read.
- `documents` and `reports` are the tools of this app.
- `mcp` speaks to servers of the Model Context Protocol.

`ai_assistant.chat.tool_rounds` calls them between two questions to the provider. Nothing here ignores permissions.
"""
