"""Awards made by hand: to one member (manual) or a group (group), read as lists (queries) or per member
(member_profile).
"""
