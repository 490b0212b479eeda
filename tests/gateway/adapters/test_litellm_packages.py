"""A package that litellm needs for a provider, and that is not installed, is named."""

import importlib.util

import pytest

from ai_assistant.gateway import Provider
from tests.gateway.asking import gateway, hear

QUESTION = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
	("api", "model", "module", "package"),
	[
		("bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", "boto3", "boto3"),
		("sagemaker", "x", "boto3", "boto3"),
		("vertex_ai", "gemini-2.5-pro", "google.auth", "google-auth"),
	],
)
def test_a_package_that_is_not_installed_is_named(api: str, model: str, module: str, package: str) -> None:
	try:
		is_installed = importlib.util.find_spec(module) is not None
	except ModuleNotFoundError:
		is_installed = False
	if is_installed:
		pytest.skip(f"{package} is installed here")
	failure = hear(gateway(Provider("cloud", api, "k", model)).stream_generate(QUESTION)).failure
	assert str(failure) == (
		f"cloud needs the Python package {package}, which is not installed; an administrator can install it in the"
		" site's environment."
	)
	assert not failure.retryable
