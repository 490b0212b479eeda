"""The config file: read anew when it changes, refused in a sentence when it cannot be used."""

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from ai_assistant.standalone.server import running_site
from ai_assistant.standalone.site_config import BadSiteConfig, SiteConfig

from .conftest import ANN, USERS, call


@pytest.fixture
def path(tmp_path: Path) -> Path:
	return tmp_path / "site_config.json"


def write(path: Path, values: Any) -> None:
	path.write_text(values if isinstance(values, str) else json.dumps(values))


def test_a_changed_setting_takes_effect_with_the_next_request(path: Path, tmp_path: Path) -> None:
	write(path, {"standalone_users": USERS, "colour": "red"})
	with running_site(site_config=path, data=tmp_path) as site, httpx.Client(base_url=site.url) as http:
		assert call(http, "setting", key="colour", headers=ANN).json() == {"message": "red"}
		write(path, {"standalone_users": USERS, "colour": "green"})
		assert call(http, "setting", key="colour", headers=ANN).json() == {"message": "green"}
		write(path, {"standalone_users": {"eve": {"api_key": "ann-key", "api_secret": "new"}}})
		assert call(http, "setting", key="colour", headers=ANN).status_code == 401
		eve = {"Authorization": "token ann-key:new"}
		assert call(http, "setting", key="colour", headers=eve).json() == {}


def test_a_user_who_is_taken_out_of_the_file_is_logged_out(path: Path, tmp_path: Path) -> None:
	write(path, {"standalone_users": USERS})
	with running_site(site_config=path, data=tmp_path) as site, httpx.Client(base_url=site.url) as http:
		http.post("/api/method/login", data={"usr": "ann@example.com", "pwd": "ann's secret"})
		write(path, {"standalone_users": {"bob": {"password": "x"}}})
		assert call(http, "for_guests").json() == {"message": "Guest", "session_expired": 1}


def test_a_file_that_became_unusable_leaves_the_last_good_settings_and_warns_once(
	path: Path, caplog: pytest.LogCaptureFixture
) -> None:
	write(path, {"colour": "red"})
	config = SiteConfig(path)
	write(path, '{"colour": "gre')
	for _ in range(3):
		assert config.current().values == {"colour": "red"}
	os.remove(path)
	assert config.current().values == {"colour": "red"}

	assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
	assert "is not valid JSON" in caplog.messages[0]
	assert "cannot be read" in caplog.messages[1]
	write(path, {"colour": "green"})
	assert config.current().values == {"colour": "green"}


def test_without_users_there_is_one_administrator_with_a_password_of_this_run(path: Path) -> None:
	write(path, {"colour": "red"})
	for config in (SiteConfig(), SiteConfig(path)):
		users = config.current().users
		assert list(users) == ["Administrator"]
		assert len(users["Administrator"].password or "") >= 16
		assert config.current().users == users
	assert (
		SiteConfig().current().users["Administrator"].password
		!= SiteConfig().current().users["Administrator"].password
	)


@pytest.mark.parametrize(
	("values", "why"),
	[
		('{"a": ', "is not valid JSON: "),
		(b"\xff\xfe".decode("latin-1"), "is not valid JSON: "),
		([], "must contain a JSON object."),
		({"standalone_users": []}, "standalone_users must be an object"),
		({"standalone_users": {}}, "standalone_users must be an object"),
		({"standalone_users": {"a": "hidden"}}, "'a': must be an object."),
		({"standalone_users": {"Guest": {}}}, "'Guest': this cannot be the name of a user."),
		({"standalone_users": {"a": {"password": 1}}}, "'a': password must be a string that is not empty."),
		({"standalone_users": {"a": {"pasword": "x"}}}, "'a': there is no setting pasword."),
		({"standalone_users": {"a": {"api_key": "x"}}}, "'a': api_key and api_secret go together."),
		(
			{"standalone_users": {"a": {"roles": "AI Assistant User"}}},
			"'a': roles must be a list of strings.",
		),
		(
			{"standalone_users": {"a": {"user_type": "x"}}},
			"'a': user_type must be System User or Website User.",
		),
		(
			{"standalone_users": {n: {"api_key": "hidden", "api_secret": "hidden"} for n in "ab"}},
			"two of the standalone_users have the same api_key.",
		),
		(
			{"standalone_users": {n: {"ai_key": "aik-" + 40 * "k"} for n in "ab"}},
			"two of the standalone_users have the same ai_key.",
		),
	],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(path: Path, values: Any, why: str) -> None:
	write(path, values)

	with pytest.raises(BadSiteConfig) as refused:
		SiteConfig(path)

	assert why in str(refused.value)
	assert str(path) in str(refused.value)
	assert "hidden" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused_in_a_sentence(path: Path) -> None:
	with pytest.raises(BadSiteConfig, match=r"cannot be read: No such file or directory\."):
		SiteConfig(path)


def test_secrets_are_not_shown_where_a_user_is() -> None:
	user = SiteConfig().current().users["Administrator"]

	assert user.password and user.password not in repr(user)
