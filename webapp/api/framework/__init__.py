"""The API framework: operations, strict parsing, problem details and the OpenAPI document (ADR 13)."""
