"""Open Badges 3.0: the issuer and its keys, signed credentials, their status, members' pages, and baked pictures.

An award needs nothing until someone opens it. Its links, its position in a status list and the salt of its recipient
are derived from the issuer's secret (`links`), its status from the award itself (`status_lists`), and its credential is
signed and stored when it is first opened (`signing`). See docs/adr/0043-credentials-are-derived.md.
"""
