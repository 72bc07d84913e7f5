"""The tables, one module per noun, and their triggers."""

from webapp.models import triggers  # noqa: F401  (creates them with the tables)
from webapp.models.activity import ActivityCount, ActivityEvent
from webapp.models.api_key import ApiKey, IdempotentRequest
from webapp.models.audit_event import AuditEvent, Origin
from webapp.models.award import Award, AwardSource
from webapp.models.badge import Badge, Quest
from webapp.models.batch import Batch, BatchRange, BatchStatus, Entry, Outcome
from webapp.models.community import Community
from webapp.models.connection import (
    BadgeDifference,
    BadgeMapping,
    BadgeSync,
    Connection,
    ErasedAccount,
    MatchBy,
    MemberAccount,
    PulledMember,
)
from webapp.models.credential import (
    Credential,
    Issuer,
    IssuerKey,
    MemberPage,
    SharedAward,
    ShownAs,
)
from webapp.models.event import ErasedMember, EventFeed, EventGroup
from webapp.models.group_award import GroupAward
from webapp.models.group_revocation import GroupRevocation
from webapp.models.identity import ProviderOutage, SsoSession, StaffIdentity
from webapp.models.image import Image
from webapp.models.member import Member, MemberStatus, MemberWord
from webapp.models.member_import import ImportStatus, MemberImport, MemberImportRow
from webapp.models.process import Process, ProcessKind
from webapp.models.rule import Activity, Condition, ConditionKind, Rule, RuleCandidate
from webapp.models.second_factor import (
    PendingFactor,
    RecoveryCode,
    SecondFactor,
    TwoFactorRequiredRole,
)
from webapp.models.staff import (
    Density,
    LoginAttempt,
    Role,
    SetupLink,
    Staff,
    StaffLink,
    StaffSession,
    Theme,
)
from webapp.models.upload import Upload
from webapp.models.webhook import Delivery, DeliveryState, Endpoint, Subscription, WebhookEvent

__all__ = [
    "Activity",
    "ActivityCount",
    "ActivityEvent",
    "ApiKey",
    "AuditEvent",
    "Award",
    "AwardSource",
    "Badge",
    "BadgeDifference",
    "BadgeMapping",
    "BadgeSync",
    "Batch",
    "BatchRange",
    "BatchStatus",
    "Community",
    "Condition",
    "ConditionKind",
    "Connection",
    "Credential",
    "Delivery",
    "DeliveryState",
    "Density",
    "Endpoint",
    "Entry",
    "ErasedAccount",
    "ErasedMember",
    "EventFeed",
    "EventGroup",
    "GroupAward",
    "GroupRevocation",
    "IdempotentRequest",
    "Image",
    "ImportStatus",
    "Issuer",
    "IssuerKey",
    "LoginAttempt",
    "MatchBy",
    "Member",
    "MemberAccount",
    "MemberImport",
    "MemberImportRow",
    "MemberPage",
    "MemberStatus",
    "MemberWord",
    "Origin",
    "Outcome",
    "PendingFactor",
    "Process",
    "ProcessKind",
    "ProviderOutage",
    "PulledMember",
    "Quest",
    "RecoveryCode",
    "Role",
    "Rule",
    "RuleCandidate",
    "SecondFactor",
    "SetupLink",
    "SharedAward",
    "ShownAs",
    "SsoSession",
    "Staff",
    "StaffIdentity",
    "StaffLink",
    "StaffSession",
    "Subscription",
    "Theme",
    "TwoFactorRequiredRole",
    "Upload",
    "WebhookEvent",
]
