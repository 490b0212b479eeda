"""Whitelisted methods, and the check of their arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from inspect import Parameter, isclass, signature
from typing import Any, ForwardRef, TypeVar, Union

import pydantic

from ..exceptions import FrappeTypeError
from .context import local

Method = TypeVar("Method", bound=Callable[..., Any])

whitelisted: list[Callable[..., Any]] = []
guest_methods: list[Callable[..., Any]] = []
xss_safe_methods: list[Callable[..., Any]] = []
allowed_http_methods_for_whitelisted_func: dict[Callable[..., Any], Sequence[str]] = {}


def whitelist(
	allow_guest: bool = False, xss_safe: bool = False, methods: Sequence[str] | None = None
) -> Callable[[Method], Method]:
	"""Allow a function to be called over HTTP. During a request its arguments are checked by their annotations.

	Frappe removes markup from the arguments of a guest unless the method is `xss_safe`. This site does not, and has no
	such method.

	Args:
		allow_guest: Whether guests may call it.
		xss_safe: Ignored, see above.
		methods: The allowed HTTP methods, by default GET, POST, PUT and DELETE.
	"""

	def register(function: Method) -> Method:
		checked = _check_types(function)
		whitelisted.append(checked)
		allowed_http_methods_for_whitelisted_func[checked] = methods or ["GET", "POST", "PUT", "DELETE"]
		if allow_guest:
			guest_methods.append(checked)
			if xss_safe:
				xss_safe_methods.append(checked)
		return checked

	return register


def _check_types(function: Method) -> Method:
	"""Check and convert arguments by their annotations, as frappe/utils/typing_validations.py does."""
	parameters = signature(function).parameters
	positional = [
		name
		for name, parameter in parameters.items()
		if parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
	]

	@wraps(function)
	def checked(*args: Any, **kwargs: Any) -> Any:
		if getattr(local, "request", None):
			args = tuple(
				_converted(parameters[name], value) for name, value in zip(positional, args, strict=False)
			) + tuple(args[len(positional) :])
			for name in kwargs.keys() & parameters.keys():
				kwargs[name] = _converted(parameters[name], kwargs[name])
		return function(*args, **kwargs)

	return checked  # type: ignore[return-value]


def _converted(parameter: Parameter, value: Any) -> Any:
	expected = parameter.annotation
	# As in Frappe, annotations that are strings are ignored. So `from __future__ import annotations` in an API module
	# switches the check off.
	if any(isinstance(part, str | ForwardRef) for part in (expected, *getattr(expected, "__args__", ()))):
		return value
	if expected is Parameter.empty or parameter.kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL):
		return value
	# typing.Union instead of `|`, because the answer contains its name.
	if expected is bool:
		expected = Union[int, bool, float]  # noqa: UP007
	if parameter.default is not Parameter.empty:
		expected = Union[expected, type(parameter.default)]  # noqa: UP007
	try:
		return _adapter(expected).validate_python(value)
	except (TypeError, pydantic.ValidationError) as error:
		raise FrappeTypeError(
			f"Argument '{parameter.name}' should be of type '{_type_name(expected)}' but got "
			f"'{_type_name(value)}' instead."
		) from error


@lru_cache(maxsize=2048)
def _adapter(expected: Any) -> pydantic.TypeAdapter[Any]:
	return pydantic.TypeAdapter(expected, config=pydantic.ConfigDict(arbitrary_types_allowed=True))


def _type_name(thing: object) -> object:
	kind = thing if isclass(thing) else type(thing)
	if kind.__module__ in ("typing", "types"):
		return thing
	return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
