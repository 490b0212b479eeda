"""The same sites as the contract suite's."""

from tests.contract.conftest import provider, site

__all__ = ["provider", "site"]
