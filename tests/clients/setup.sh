#!/usr/bin/env bash
# Installs the newest releases of the clients into build/clients: the SDKs and llm, aider, and those of npm.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
mkdir -p build/clients/node
cd build/clients
if [ ! -e .ready ]; then
	echo "→ installing the clients (a few minutes, once)"
	"$python" -m venv sdk && sdk/bin/pip install -q --disable-pip-version-check 'openai[realtime]' anthropic llm
	if "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then
		"$python" -m venv aider && aider/bin/pip install -q --disable-pip-version-check aider-chat
	else
		echo "make: aider needs Python 3.10 to 3.12 and is left out; to have it, name one: make PYTHON=python3.12"
	fi
	[ -e node/package.json ] || echo '{"private": true, "type": "module"}' > node/package.json
	(cd node && npm install --silent --no-fund --no-audit openai @anthropic-ai/sdk ai @ai-sdk/openai-compatible \
		@ai-sdk/openai @ai-sdk/anthropic zod @openai/codex @anthropic-ai/claude-code @continuedev/cli)
	touch .ready
fi
