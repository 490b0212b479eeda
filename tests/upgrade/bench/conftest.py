"""These need a bench: `make test-bench` names it, and `make test` leaves them out."""

from tests.faults.bench.conftest import BENCH, provider

__all__ = ["provider"]

collect_ignore_glob = [] if BENCH else ["test_*.py"]
