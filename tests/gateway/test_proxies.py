"""Tests that the variables for proxies are read as curl reads them."""

import pytest

from ai_assistant.gateway import Provider, http
from ai_assistant.gateway.proxies import UnusableProxy, proxy_for
from tests.support.provider import ScriptedProvider

from .asking import gateway, hear, scripted

P = "http://proxy.example.com:3128"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
	for name in ("http", "https", "all", "no"):
		monkeypatch.delenv(f"{name}_proxy", raising=False)
		monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


@pytest.mark.parametrize(
	("named", "url", "expected"),
	[
		({}, "http://a/v1", None),
		({"http_proxy": P}, "http://a/v1", P),
		({"http_proxy": P}, "https://a/v1", None),
		({"HTTPS_PROXY": P}, "https://a/v1", P),
		({"all_proxy": P}, "https://a/v1", P),
		({"ALL_PROXY": P}, "http://a/v1", P),
		({"all_proxy": "http://other", "https_proxy": P}, "https://a/v1", P),
		({"http_proxy": f" {P}\n"}, "http://a/v1", P),
		({"http_proxy": "proxy.example.com:3128"}, "http://a/v1", P),
		({"http_proxy": "me:secret@[::1]:3128"}, "http://a/v1", "http://me:secret@[::1]:3128"),
		({"http_proxy": ""}, "http://a/v1", None),
	],
)
def test_the_proxy_for_an_address(
	monkeypatch: pytest.MonkeyPatch, named: dict[str, str], url: str, expected: str | None
) -> None:
	for name, value in named.items():
		monkeypatch.setenv(name, value)
	assert proxy_for(url) == expected


@pytest.mark.parametrize(
	("excepted", "host", "covered"),
	[
		("*", "api.example.com", True),
		("example.com", "example.com", True),
		("example.com", "api.example.com", True),
		(".example.com", "api.example.com", True),
		("*.example.com", "api.example.com", True),
		("Example.Com", "API.example.COM", True),
		("example.com", "notexample.com", False),
		("com.example, other.org", "api.other.org", True),
		("one.org  other.org", "other.org", True),
		("example.com:8443", "example.com:8443", True),
		("example.com:8443", "example.com", False),
		("example.com:443", "example.com", True),
		("10.0.0.0/8", "10.1.2.3", True),
		("10.0.0.0/8", "10.1.2.3:8080", True),
		("10.1.2.3/8", "10.9.9.9", True),
		("10.0.0.0/8", "11.1.2.3", False),
		("10.0.0.0/8", "api.example.com", False),
		("127.0.0.1", "127.0.0.1:11434", True),
		("127.0.0.1:11434", "127.0.0.1:11434", True),
		("127.0.0.1:11434", "127.0.0.1:8080", False),
		("::1", "[::1]:11434", True),
		("fd00::/8", "[fd00::7]", True),
		("[::1]:11434", "[::1]:11434", True),
		("10.0.0.0/99", "10.1.2.3", False),
		("a:b:c, ., :, [", "a", False),
	],
)
def test_whom_no_proxy_excepts(
	monkeypatch: pytest.MonkeyPatch, excepted: str, host: str, covered: bool
) -> None:
	monkeypatch.setenv("all_proxy", P)
	monkeypatch.setenv("no_proxy", excepted)
	assert proxy_for(f"https://{host}/v1") == (None if covered else P)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://", "http://x:0", "http://a b"])
def test_a_proxy_that_cannot_be_used_is_not_passed_over(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
	monkeypatch.setenv("all_proxy", proxy)
	with pytest.raises(UnusableProxy):
		proxy_for("https://a/v1")


def test_the_proxy_of_the_environment_is_asked_and_not_for_whom_it_excepts(
	server: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
	base = server.base("openai")
	root, path = base.partition("/v1")[0], base[len("http://") :].partition("/")[2]
	monkeypatch.setenv("http_proxy", root)
	monkeypatch.setenv("no_proxy", "127.0.0.1")
	http._proxy.cache_clear()
	try:
		for host in ("nowhere.invalid", root.removeprefix("http://")):
			asks = gateway(Provider("p", "openai", "-", "m", api_base=f"http://{host}/{path}"))
			assert hear(asks.stream_generate(scripted([{"text": "Yes."}]))).text == "Yes."
	finally:
		http._proxy.cache_clear()
