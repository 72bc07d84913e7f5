"""The tables, one module per noun."""

from webapp.models.activity import ActivityCount, ActivityEvent
from webapp.models.api_key import ApiKey, StoredAnswer
from webapp.models.award import Award
from webapp.models.badge import Badge, Quest
from webapp.models.batch import Batch, BatchStatus, Entry, Outcome
from webapp.models.image import Image
from webapp.models.member import Member, MemberStatus, MemberWord
from webapp.models.member_import import ImportStatus, MemberImport, MemberImportRow
from webapp.models.record import Record
from webapp.models.rule import Activity, Check, Condition, Kind, Rule
from webapp.models.staff import Role, SignInFailure, Staff, StaffSession
from webapp.models.upload import Upload
from webapp.models.webhook import Delivery, DeliveryState, Endpoint, Subscription, Told

__all__ = [
    "Activity",
    "ActivityCount",
    "ActivityEvent",
    "ApiKey",
    "Award",
    "Badge",
    "Batch",
    "BatchStatus",
    "Check",
    "Condition",
    "Delivery",
    "DeliveryState",
    "Endpoint",
    "Entry",
    "Image",
    "ImportStatus",
    "Kind",
    "Member",
    "MemberImport",
    "MemberImportRow",
    "MemberStatus",
    "MemberWord",
    "Outcome",
    "Quest",
    "Record",
    "Role",
    "Rule",
    "SignInFailure",
    "Staff",
    "StaffSession",
    "StoredAnswer",
    "Subscription",
    "Told",
    "Upload",
]
