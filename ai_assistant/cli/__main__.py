"""`python -m ai_assistant.cli`."""

from . import main

main()
