"""Errors that a person can correct, as one line without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx
import socketio

import ai_assistant
from ai_assistant.client import ApiError
from ai_assistant.printing import printable

from . import actions


@contextmanager
def as_click_error() -> Iterator[None]:
	"""Turn such an error into click's ClickException."""
	from ai_assistant.standalone.model import ModelUnavailable
	from ai_assistant.standalone.site_config import BadSiteConfig

	try:
		yield
	except ModuleNotFoundError as error:
		checkout = Path(ai_assistant.__file__).parent.parent
		sentence = (
			f"The standalone site needs {error.name}, which this Python lacks. In a virtual environment without Frappe:"
			f" pip install '{checkout}[standalone]'"
		)
	except (BadSiteConfig, ModelUnavailable, ApiError, RuntimeError) as error:
		sentence = str(error)
	except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
		sentence = f"--url accepts an address such as http://127.0.0.1:8000: {error}"
	except httpx.HTTPError as error:
		sentence = f"The site does not answer: {error}. Start it, or correct --url."
	except BrokenPipeError:
		actions.end_unread()
	except socketio.exceptions.ConnectionError as error:
		sentence = f"The realtime server refuses the socket: {error}. ai-assistant doctor --url … says more."
	except OSError as error:
		sentence = f"The site cannot start: {error.strerror or error}"
	else:
		return
	# A site may have written it.
	raise click.ClickException(printable(sentence))
