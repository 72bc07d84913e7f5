"""Webhook endpoints of other systems, and their deliveries: the outbox."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime
from webapp.messages import message
from webapp.models.lease import Lease

WAITING = text("state = 'waiting'")
SHARED = text("message_id IS NOT NULL")


class WebhookEvent(StrEnum):
    AWARD_CREATED = "award.created"
    AWARDS_CREATED = "awards.created"  # the same, many awards in one message
    AWARD_REVOKED = "award.revoked"
    AWARD_RESTORED = "award.restored"
    MEMBER_CREATED = "member.created"
    MEMBER_CHANGED = "member.changed"
    MEMBER_ERASED = "member.erased"
    BADGE_CHANGED = "badge.changed"
    QUEST_CHANGED = "quest.changed"
    RULE_CHANGED = "rule.changed"
    BATCH_PUBLISHED = "batch.published"
    BATCH_FINISHED = "batch.finished"


# What a new endpoint receives by default; AWARDS_CREATED would replace AWARD_CREATED.
# Ticked for a new webhook: members' details are only sent where someone asks for them.
DEFAULT_EVENTS = (
    WebhookEvent.AWARD_CREATED,
    WebhookEvent.AWARD_REVOKED,
    WebhookEvent.AWARD_RESTORED,
    WebhookEvent.BATCH_PUBLISHED,
    WebhookEvent.BATCH_FINISHED,
)
TEST = "webhook.test"  # a delivery requested by a person to test the endpoint


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Endpoint(Lease, Base):
    """A URL that receives events. Its secrets are encrypted; the previous one also signs until `former_until`.

    The URL is encrypted too, because it may contain a token; anyone may see `host`: `https://example.org/…`.

    `failures` counts consecutive failures; nothing is sent until `backoff_until`. A worker leases the row.
    """

    __tablename__ = "endpoints"
    __table_args__ = (NO_ID_REUSE,)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    encrypted_url: Mapped[str] = mapped_column(Text, default="", server_default="")
    host: Mapped[str] = mapped_column(String(2000), default="", server_default="")
    secret: Mapped[str] = mapped_column(Text)
    previous_secret: Mapped[str | None] = mapped_column(Text)
    previous_secret_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    url_set_by_key: Mapped[int | None] = mapped_column(Id)  # an API key, never deleted
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    disabled_reason: Mapped[str] = mapped_column(String(200), default="", server_default="")
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    backoff_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    subscriptions: Mapped[list[Subscription]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="Subscription.kind"
    )

    @property
    def kinds(self) -> list[str]:
        return [subscription.kind for subscription in self.subscriptions]

    @property
    def why_disabled(self) -> str:
        """Why it was disabled automatically, from the message code `disabled_reason`."""
        return str(message(self.disabled_reason)) if self.disabled_reason else ""


class Subscription(Base):
    """A kind of event that an endpoint receives."""

    __tablename__ = "subscriptions"

    endpoint_id: Mapped[int] = mapped_column(
        ForeignKey("endpoints.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)


class Delivery(Base):
    """One event for one endpoint. It names its subject by ID only, without personal data.

    `occurrence` distinguishes several events of one subject; both together are unique, so writing is idempotent.
    Deliveries with the same `message_id` are sent as one message (`awards.created`).
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(
            "uq_deliveries_event", "endpoint_id", "kind", "subject_id", "occurrence", unique=True
        ),
        Index(
            "ix_deliveries_due",
            "endpoint_id",
            "next_at",
            postgresql_where=WAITING,
            sqlite_where=WAITING,
        ),
        Index("ix_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_deliveries_at", "at"),
        Index(
            "ix_deliveries_message_id",
            "endpoint_id",
            "message_id",
            "id",
            postgresql_where=SHARED,
            sqlite_where=SHARED,
        ),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[int] = mapped_column(Id)
    occurrence: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[DeliveryState] = mapped_column(
        String(12), default=DeliveryState.WAITING, server_default=DeliveryState.WAITING
    )
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    response_status: Mapped[int | None] = mapped_column()
    last_error: Mapped[str] = mapped_column(String(200), default="", server_default="")
    message_id: Mapped[str | None] = mapped_column(String(40))

    @property
    def error(self) -> str:
        """The last attempt's failure, from the message code `last_error`."""
        return str(message(self.last_error, status=self.response_status)) if self.last_error else ""
