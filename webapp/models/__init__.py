"""The tables, one module per noun."""

from webapp.models.activity import ActivityCount, ActivityEvent
from webapp.models.api_key import ApiKey, StoredAnswer
from webapp.models.award import Award
from webapp.models.badge import Badge, Quest
from webapp.models.batch import Batch, BatchStatus, Entry, Outcome
from webapp.models.group_award import GroupAward
from webapp.models.image import Image
from webapp.models.member import Member, MemberStatus, MemberWord
from webapp.models.member_import import ImportStatus, MemberImport, MemberImportRow
from webapp.models.process import Process
from webapp.models.record import Record
from webapp.models.rule import Activity, Check, Condition, Kind, Rule
from webapp.models.second_factor import FactorRole, PendingFactor, RecoveryCode, SecondFactor
from webapp.models.staff import Role, SignInFailure, Staff, StaffLink, StaffSession
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
    "FactorRole",
    "GroupAward",
    "Image",
    "ImportStatus",
    "Kind",
    "Member",
    "MemberImport",
    "MemberImportRow",
    "MemberStatus",
    "MemberWord",
    "Outcome",
    "PendingFactor",
    "Process",
    "Quest",
    "Record",
    "RecoveryCode",
    "Role",
    "Rule",
    "SecondFactor",
    "SignInFailure",
    "Staff",
    "StaffLink",
    "StaffSession",
    "StoredAnswer",
    "Subscription",
    "Told",
    "Upload",
]
