"""The API's schemas: they validate requests, shape responses, and describe both in the OpenAPI document.

The docstrings of the classes are published as descriptions. The `examples` of fields make up the example of each
response.
"""
