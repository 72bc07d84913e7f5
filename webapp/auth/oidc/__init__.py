"""Single sign-on with OpenID Connect: authorization code with PKCE and nonce (adr/0041).

Importing its modules takes as long as starting the rest of the console, so it's done only where a provider is set.
"""
