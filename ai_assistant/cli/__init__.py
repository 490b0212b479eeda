"""The command line: a chat in the terminal, the standalone site, and what `bench … ai-assistant` shares with it."""


def main() -> None:
	"""Run `ai-assistant`. The import is here because `bench` imports this package without rich."""
	from .program import main as program

	program()
