"""The fixtures of jobs: a real Valkey and its queue."""

from tests.jobs.conftest import process, queue, server  # noqa: F401
