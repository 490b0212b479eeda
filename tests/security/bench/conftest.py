"""These need a bench: `make test-bench` names it, and `make test` leaves them out."""

import os

collect_ignore_glob = [] if os.environ.get("AI_ASSISTANT_BENCH") else ["test_*.py"]
