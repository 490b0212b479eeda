"""The methods of the app, found by looking: what tries each of them tries one that is added, too."""

from collections.abc import Callable
from typing import Any

from ai_assistant import api
from ai_assistant.standalone import stand_in

METHODS: dict[str, Callable[..., Any]] = {
	method.__name__: method for method in stand_in.whitelisted if method.__module__ == api.__name__
}
VERBS = {name: stand_in.allowed_http_methods_for_whitelisted_func[method] for name, method in METHODS.items()}
