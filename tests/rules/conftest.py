"""Use the same browser as the tests of pages."""

from tests.pages.conftest import client

__all__ = ["client"]
