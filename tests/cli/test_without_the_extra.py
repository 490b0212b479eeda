"""Where the standalone extra is not installed, as on a bench, the command line says what is."""

import subprocess
import sys

import pytest

# As it is where a package is not installed (`None` in sys.modules has an import fail by its name).
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
