"""Awards: inserted by one function (insert), made by hand for one member (manual) or a group (group), read as lists
(queries) or per member (member_profile).
"""
