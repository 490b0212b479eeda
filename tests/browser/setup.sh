#!/usr/bin/env bash
# Gets what the browser tests need and is not here: Chromium from Debian, Playwright's core from npm.
set -euo pipefail
cd "$(dirname "$0")"
command -v npm >/dev/null || { echo "make: the browser tests need Node 20 and npm" >&2; exit 1; }
if [ -z "${CHROMIUM:-}" ] && ! command -v chromium >/dev/null; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "make: no chromium is on the path; install it (Debian: apt-get install chromium) or name one in CHROMIUM" >&2
		exit 1
	fi
	echo "→ installing chromium"
	apt-get -o DPkg::Lock::Timeout=300 install -y -qq chromium >/dev/null
fi
[ -d node_modules/playwright-core ] || npm install --silent
