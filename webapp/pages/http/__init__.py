"""Handling common to all requests: authorization, error pages, security headers, template helpers."""
