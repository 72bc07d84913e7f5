"""Awards: made by hand for one member (manual) or a group (group), read as lists (queries), per member (member_profile)
or per badge (holders).
"""
