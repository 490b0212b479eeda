"""Errors that a person can correct, as one line without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx
import socketio

import ai_assistant
from ai_assistant.client import ApiError

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
		raise click.ClickException(
			f"The standalone site needs {error.name}, which this Python lacks. In a virtual environment without Frappe:"
			f" pip install '{checkout}[standalone]'"
		) from None
	except (BadSiteConfig, ModelUnavailable, ApiError, RuntimeError) as error:
		raise click.ClickException(str(error)) from None
	except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
		raise click.ClickException(
			f"--url accepts an address such as http://127.0.0.1:8000: {error}"
		) from None
	except httpx.HTTPError as error:
		raise click.ClickException(
			f"The site does not answer: {error}. Start it, or correct --url."
		) from None
	except BrokenPipeError:
		actions.end_unread()
	except socketio.exceptions.ConnectionError as error:
		raise click.ClickException(
			f"The realtime server refuses the socket: {error}. ai-assistant doctor --url … says more."
		) from None
	except OSError as error:
		raise click.ClickException(f"The site cannot start: {error.strerror or error}") from None
