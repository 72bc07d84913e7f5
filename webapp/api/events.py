"""The feed of events, for systems that stay in sync by polling (A-8)."""

from __future__ import annotations

from webapp.api.framework.operations import Call, Reply, operation
from webapp.domain.permissions import Scope
from webapp.domain.webhooks import event_feed
from webapp.domain.webhooks.event_feed import FeedPage
from webapp.schemas.events import LATEST, EventListParams, EventPage
from webapp.transaction import transaction


@operation(
    "GET",
    "/events",
    Scope.EVENTS_READ,
    tag="Events",
    summary="Follow events",
    query=EventListParams,
    responses={200: EventPage},
    problems=(410,),
    example={"query": {"limit": "10"}},
)
def list_events(call: Call) -> Reply:
    """Returns what has happened, oldest first: the same events as webhooks, kept for 90 days.

    To stay in sync, request `after=latest` and store `next`. Then load members, badges and awards once. From then on,
    request the events after the stored cursor, process them, and store the new `next`. While `has_more` is true,
    request the next page right away; otherwise wait and ask again with the same cursor.

    No event is ever added before a cursor you have received, and the events about one member, award, badge or batch
    are in order. `data` is the current state, so an event may already include later changes.

    Returns 410 if some of the events after your cursor are no longer kept, or if Laurel was restored from a backup.
    Then start again with `after=latest` and load everything.
    """
    params: EventListParams = call.query
    if event_feed.is_behind():
        with transaction():
            event_feed.place()
    if params.after == LATEST:
        page = FeedPage([], event_feed.end(), False)
    else:
        page = event_feed.read(params.place, params.limit)
    return Reply(200, EventPage.of(page))
