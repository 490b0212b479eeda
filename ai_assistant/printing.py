"""What somebody else has written, on a line of ours."""


def printable(line: str) -> str:
	"""Without what moves a terminal's cursor, breaks a line or turns its direction."""
	if line.isprintable():
		return line
	return "".join(
		char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode()
		for char in line
	)
