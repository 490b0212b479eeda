"""`make pot`: brings ai_assistant/locale up to date with the source, and says what is not translated yet."""

from .catalog import LOCALE, TEMPLATE, read, write

write(TEMPLATE, {})
for catalogue in sorted(LOCALE.glob("*.po")):
	translations = read(catalogue)
	write(catalogue, translations, catalogue.stem)
	missing = sorted(message for message, translated in read(catalogue).items() if not translated)
	print(f"{catalogue.name}: {len(missing)} sentences are not translated")
	for message in missing:
		print(f"\t{message}")
