"""Every sentence that people read is in ai_assistant/locale/main.pot, and its translations are complete."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from ai_assistant.page import PAGES, sentences

from .catalog import LOCALE, TEMPLATE, read
from .extraction import APP, HTML, JAVASCRIPT, ROOT, calls, extract, messages, sources

LANGUAGES = ("ar", "de", "es", "fr", "hi", "pt_BR", "zh")
CATALOGUES = sorted(LOCALE.glob("*.po"))
MARKUP = re.compile(r"</?[a-z][^>]*>")

# Where a variable inside `_()` is right: the sentence is extracted where it is written.
VARIABLES = {
	# Marked with N_ in gateway/errors.py.
	("ai_assistant/chat/errors.py", "error.template"),
	# The label of a field, from the DocType.
	(
		"ai_assistant/ai_assistant/doctype/ai_assistant_settings/ai_assistant_settings.py",
		"self.meta.get_label(field)",
	),
}


def placeholders(message: str) -> list[str]:
	"""Returns the placeholders of a sentence in alphabetical order, each as often as it occurs."""
	return sorted(name for _text, name, _spec, _conversion in Formatter().parse(message) if name is not None)


def test_every_sentence_is_in_the_template() -> None:
	missing = messages().keys() - read(TEMPLATE).keys()
	assert not missing, f"Run `make pot`, and translate what it names: {sorted(missing)}"


def test_the_template_has_no_sentence_that_is_gone() -> None:
	gone = read(TEMPLATE).keys() - messages().keys()
	assert not gone, f"Run `make pot`: {sorted(gone)}"


def test_python_translates_constants_alone() -> None:
	variables = {
		(file.relative_to(ROOT).as_posix(), ast.unparse(call.args[0]))
		for file in sources()
		if file.suffix == ".py"
		for call in calls(file.read_text("utf-8"))
		if not (call.args and isinstance(call.args[0], ast.Constant))
	}
	assert variables == VARIABLES


def test_refusals_of_a_field_are_translated() -> None:
	"""`invalid()` takes a translated sentence."""
	for file in APP.rglob("*.py"):
		for node in ast.walk(ast.parse(file.read_text("utf-8"))):
			if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "invalid":
				assert ast.unparse(node.args[0]).startswith("_("), f"{file}:{node.lineno}"


@pytest.mark.parametrize("suffix", ["js", "html"])
def test_pages_and_scripts_translate_constants_alone(suffix: str) -> None:
	mark = re.compile(r"(?<![\w.])__\((?!\s*\))" if suffix == "js" else r"(?<![\w.])_\(")
	constant = JAVASCRIPT if suffix == "js" else HTML
	for file in sources():
		if file.suffix == f".{suffix}" and file.name != "translate.js":
			text = file.read_text("utf-8")
			assert len(mark.findall(text)) == len(constant.findall(text)), file


def test_pages_have_no_text_that_is_not_translated() -> None:
	for page in (APP / "www").glob("*.html"):
		html = re.sub(
			r"<(kbd|code|script)\b.*?</\1>|<!--.*?-->|{%.*?%}|{{.*?}}", "", page.read_text(), flags=re.DOTALL
		)
		words = re.findall(r">([^<>]*[A-Za-z]{2}[^<>]*)<", html)
		words += re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*[A-Za-z]{2}[^"]*)"', html)
		assert [word for word in words if word != "aik-…"] == [], page.name


def test_the_boot_data_has_every_sentence_of_the_scripts() -> None:
	scripts = [script for page in PAGES for script in (APP / "public" / "js" / page).glob("*.js")]
	assert set(sentences()) == {message for script in scripts for message, _comment in extract(script)}


def test_all_languages_are_there() -> None:
	assert {path.stem for path in CATALOGUES} >= set(LANGUAGES)


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda path: path.stem)
def test_a_translation_keeps_the_placeholders_and_the_markup(catalogue: Path) -> None:
	lost = {
		message: translated
		for message, translated in read(catalogue).items()
		if translated
		and (
			placeholders(message) != placeholders(translated)
			or sorted(MARKUP.findall(message)) != sorted(MARKUP.findall(translated))
		)
	}
	assert not lost


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda path: path.stem)
def test_a_catalogue_has_the_sentences_of_the_template(catalogue: Path) -> None:
	assert read(catalogue).keys() == read(TEMPLATE).keys(), "Run `make pot`"
