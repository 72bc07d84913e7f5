"""What every API has in common: operations, strict parsing, problem details and the OpenAPI document (ADR 13)."""
