"""Without the standalone extra, as on a bench, the command line names the missing package."""

import subprocess
import sys

import pytest

# None in sys.modules makes the import fail with the name of the package, as if it were not installed.
RUN = "import sys; sys.modules['uvicorn'] = None; from ai_assistant.cli import main; main()"


@pytest.mark.parametrize(
	"command", [["serve", "--port", "0", "--provider", "openai"], ["chat", "Hi", "--provider", "openai"]]
)
def test_it_names_the_package_and_how_to_install_it(
	command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
	done = subprocess.run([sys.executable, "-c", RUN, *command], capture_output=True, text=True)
	assert done.returncode == 1
	assert "needs uvicorn" in done.stderr and "[standalone]'" in done.stderr
	assert "Traceback" not in done.stderr
