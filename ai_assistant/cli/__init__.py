"""The command line: a chat in the terminal, the standalone site, and the actions that `bench` shares with it."""


def main() -> None:
	"""Runs `ai-assistant`; what it needs is imported here, because `bench` imports this package for its actions."""
	from .program import main as program

	program()
