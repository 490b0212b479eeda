"""Reads the proxy from the environment as curl does.

Python supports neither networks in `no_proxy` nor `all_proxy`.
"""

from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies_environment

from .endpoint import is_http

PORTS = {"http": 80, "https": 443}


class UnusableProxy(Exception):
	"""The proxy in the environment is not an HTTP proxy, or its address is not valid."""


def proxy_for(url: str) -> str | None:
	"""Returns the proxy for a URL; None for none. Raises UnusableProxy, and ValueError for an invalid URL."""
	named, target = getproxies_environment(), urlsplit(url)
	proxy = (named.get(target.scheme) or named.get("all") or "").strip()
	excepted = named.get("no", "").replace(",", " ").split()
	if not proxy or any(_covers(entry, target) for entry in excepted):
		return None
	if "://" not in proxy:
		proxy = f"http://{proxy}"
	if not is_http(proxy):
		raise UnusableProxy()
	return proxy


def _covers(entry: str, target: SplitResult) -> bool:
	"""Whether an entry of `no_proxy` covers an address.

	The entry may be a host, which covers its subdomains, with or without a port, an IP address, or a network.
	"""
	host = target.hostname or ""
	if entry == "*":
		return True
	try:
		return ip_address(host) in ip_network(entry, strict=False)
	except ValueError:
		# A host name, or an address with a port.
		pass
	try:
		excepted = urlsplit(f"//{entry}")
		here = excepted.port in (None, target.port or PORTS.get(target.scheme))
	except ValueError:
		return False
	name = (excepted.hostname or "").lstrip("*.")
	return here and bool(name) and (host == name or host.endswith(f".{name}"))
