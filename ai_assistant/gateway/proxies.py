"""The proxy of the environment, read as curl reads it: Python's own reading knows neither networks nor `all_proxy`."""

from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies_environment

from .endpoint import is_http

PORTS = {"http": 80, "https": 443}


class UnusableProxy(Exception):
	"""The environment names a proxy that speaks no HTTP, or no address at all."""


def proxy_for(url: str) -> str | None:
	"""The proxy that a URL is asked through. Raises UnusableProxy, ValueError for a URL that is none."""
	named, asked = getproxies_environment(), urlsplit(url)
	proxy = (named.get(asked.scheme) or named.get("all") or "").strip()
	excepted = named.get("no", "").replace(",", " ").split()
	if not proxy or any(_covers(entry, asked) for entry in excepted):
		return None
	if "://" not in proxy:
		proxy = f"http://{proxy}"
	if not is_http(proxy):
		raise UnusableProxy()
	return proxy


def _covers(entry: str, asked: SplitResult) -> bool:
	"""Whether an entry of `no_proxy` is about an address.

	It may be a host, which those below it belong to, with a port or without, an address of a network, or all of one.
	"""
	host = asked.hostname or ""
	if entry == "*":
		return True
	try:
		return ip_address(host) in ip_network(entry, strict=False)
	except ValueError:
		# A name, or an address with a port.
		pass
	try:
		excepted = urlsplit(f"//{entry}")
		here = excepted.port in (None, asked.port or PORTS.get(asked.scheme))
	except ValueError:
		return False
	name = (excepted.hostname or "").lstrip("*.")
	return here and bool(name) and (host == name or host.endswith(f".{name}"))
