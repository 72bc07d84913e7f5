"""`make conformance`: software of others verifies the credentials of a running console, without a network."""
