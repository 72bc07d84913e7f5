"""What every request passes: authorization, error pages, security headers, template helpers."""
