"""The command line: a chat in the terminal, the standalone site, and the actions of `bench … ai-assistant`.

`program` and `ai_assistant.commands` declare the commands, and `actions` runs those that both have.
"""


def main() -> None:
	"""Run `ai-assistant`. The import is here because `bench` imports this package without rich."""
	from .program import main as program

	program()
