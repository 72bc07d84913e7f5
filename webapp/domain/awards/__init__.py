"""Awards: made by hand for one member (manual) or a group (group), by other systems in bulk (bulk, bulk_revocation),
read as lists (queries), per member (member_profile) or per badge (holders).
"""
