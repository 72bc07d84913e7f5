"""The tables, one module per noun."""

from webapp.models.award import Award
from webapp.models.badge import Badge, Quest
from webapp.models.batch import Batch, BatchStatus, Entry, Outcome
from webapp.models.image import Image
from webapp.models.member import Member, MemberStatus
from webapp.models.record import Record
from webapp.models.staff import Role, SignInFailure, Staff, StaffSession
from webapp.models.upload import Upload

__all__ = [
    "Award",
    "Badge",
    "Batch",
    "BatchStatus",
    "Entry",
    "Image",
    "Member",
    "MemberStatus",
    "Outcome",
    "Quest",
    "Record",
    "Role",
    "SignInFailure",
    "Staff",
    "StaffSession",
    "Upload",
]
