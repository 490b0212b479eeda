#!/usr/bin/env bash
# Installs what the VS Code tests need: Chromium and libraries from Debian; code-server, its Node and Playwright from npm.
set -euo pipefail
cd "$(dirname "$0")"
../browser/setup.sh
if ! dpkg -s libkrb5-dev libsecret-1-dev libx11-dev libxkbfile-dev >/dev/null 2>&1; then
	if [ "$(id -u)" != 0 ]; then
		echo "make: VS Code needs libraries; as root: apt-get install libkrb5-dev libsecret-1-dev libx11-dev libxkbfile-dev" >&2
		exit 1
	fi
	echo "→ installing the libraries that VS Code needs"
	apt-get -o DPkg::Lock::Timeout=300 install -y -qq libkrb5-dev libsecret-1-dev libx11-dev libxkbfile-dev >/dev/null
fi
if [ ! -e node_modules/.ready ]; then
	echo "→ installing VS Code for the browser (code-server; about four minutes and 1 GB, once)"
	npm install --silent --ignore-scripts
	npm rebuild --silent node
	export PATH="$PWD/node_modules/node/bin:$PATH"
	npm rebuild --silent code-server argon2
	# npm ends with 0 although an optional package could not be installed. `--version` writes a file into HOME.
	HOME="$PWD/node_modules" node_modules/.bin/code-server --version >/dev/null
	touch node_modules/.ready
fi
