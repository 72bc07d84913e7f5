"""`make scale` visits every page."""

from __future__ import annotations

from flask import Flask

from bench.scale.addresses import unmeasured


def test_every_address_is_measured_or_left_out_on_purpose(app: Flask) -> None:
    assert unmeasured(app) == set()
