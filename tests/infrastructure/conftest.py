"""The fixtures of jobs: a real Valkey and the queue in it."""

from tests.jobs.conftest import process, queue, server  # noqa: F401
