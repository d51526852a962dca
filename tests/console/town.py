"""A small town for the console's tests: members, places, a month of events and deliveries, releases.

Rows are written straight to their tables: what is tested here is what staff see, not how rows come about.
"""

from __future__ import annotations

import random
import uuid
from datetime import timedelta

from apps.api.services import create_service_key
from apps.common.clock import now, today
from apps.common.geo import cell_of
from apps.delivery.models import PacingPrices
from apps.delivery.recent import count_recent
from apps.interactions.daily import count_days
from apps.interactions.models import Delivery, Event, Relationship
from apps.interactions.partitions import ensure_partitions
from apps.members.models import Connection, Member, Trip
from apps.places.models import CuratedList, CuratedListItem, Place
from apps.refresh.models import RefreshJob, SnapshotRow
from apps.releases import services
from apps.surfaces.models import Market
from tests.policies.examples import experiment, flag, rule, segment

NAMES = [
    "Ada",
    "Amara",
    "Bao",
    "Camille",
    "Dalia",
    "Elif",
    "Freya",
    "Gabriel",
    "Hana",
    "Idris",
    "Jonas",
    "Kaya",
    "Leila",
    "Mateo",
    "Nia",
    "Omar",
    "Priya",
    "Quinn",
    "Rosa",
    "Sami",
    "Tomas",
    "Uma",
    "Vera",
    "Wanda",
    "Xenia",
    "Yuki",
    "Zoe",
]
CRAFTS = ("directing", "acting", "photography", "writing", "cooking", "software engineering", "founding")
CATEGORIES = ("restaurant", "bar", "gallery", "hotel", "club")
WHY = [
    [["same_industry", "film"]],
    [["mutual_connections", "2"], ["distance", "5"]],
    *[[["newcomer", ""]]] * 6,
]
STAGES = [
    {"stage": "eligible", "received": 412, "kept": 96, "reasons": {"gender": 210, "age": 74, "distance": 32}},
    {"stage": "nearest", "received": 96, "kept": 60},
    {"stage": "ranking", "received": 88, "kept": 88},
    {"stage": "diversity", "received": 88, "kept": 60},
    {"stage": "guard", "received": 60, "kept": 8, "gone": 1, "capped": 0, "reasons": WHY},
]


def build_town(*, members: int = 120, places: int = 40, days: int = 30, lists_a_day: int = 12) -> None:
    """Fills an empty database."""
    draw = random.Random(7)
    market = Market.objects.create(
        key="lisbon", name="Lisbon", country="PT", latitude=38.72, longitude=-9.14, timezone="Europe/Lisbon"
    )
    Market.objects.create(key="london", name="London", country="GB", latitude=51.5, longitude=-0.12)
    people = _members(draw, market, members)
    spots = _places(draw, market, places)
    _releases()
    _snapshots()
    _pacing()
    create_service_key("The app's back end", ["events:write", "recommend:read"])
    _history(draw, [p.number for p in people], [s.number for s in spots], market, days, lists_a_day)
    count_days()
    count_recent()


def _members(draw: random.Random, market: Market, count: int) -> list[Member]:
    people = Member.objects.bulk_create(
        Member(
            external_id=f"m-{i:05d}",
            display_name=f"{NAMES[i % len(NAMES)]} {chr(65 + i % 26)}.",
            status=("active", "active", "active", "active", "paused", "applicant", "suspended")[i % 7],
            visibility="hidden" if i % 17 == 5 else "visible",
            birth_date=today() - timedelta(days=365 * (22 + i % 30)),
            gender=("woman", "man", "nonbinary")[i % 3],
            seeking=["woman", "man"],
            intents=["long_term", "collaborate"],
            age_min=21,
            age_max=55,
            max_distance_km=50,
            home_market=market,
            home_cell=cell_of(38.72 + draw.uniform(-0.2, 0.2), -9.14 + draw.uniform(-0.2, 0.2)),
            industries=["film", "music"][: 1 + i % 2],
            crafts=[CRAFTS[i % len(CRAFTS)]],
            skills=["editing", "portuguese"],
            interests={"cinema": 0.9, "surfing": 0.4},
            bio="Makes short films about long train journeys, and cooks for whoever is on set.",
            joined_at=now() - timedelta(days=i % 300),
            last_active_at=now() - timedelta(hours=i % 90),
        )
        for i in range(count)
    )
    pairs = [(people[i], people[i + 1 + i % 3]) for i in range(count - 4)]
    Connection.objects.bulk_create(
        Connection(a=a, b=b, kind="referral" if a.number % 3 else "connection") for a, b in pairs
    )
    Trip.objects.create(
        member=people[0],
        market=Market.objects.get(key="london"),
        starts_on=today(),
        ends_on=today() + timedelta(days=4),
    )
    return people


def _places(draw: random.Random, market: Market, count: int) -> list[Place]:
    spots = Place.objects.bulk_create(
        Place(
            external_id=f"p-{i:04d}",
            name=f"{NAMES[(i * 5) % len(NAMES)]}'s {CATEGORIES[i % 5]}",
            market=market,
            cell=cell_of(38.72 + draw.uniform(-0.1, 0.1), -9.14 + draw.uniform(-0.1, 0.1)),
            category=CATEGORIES[i % 5],
            tags=["quiet", "late"][: i % 3],
            price_band=1 + i % 4,
            is_open=i % 11 != 3,
        )
        for i in range(count)
    )
    chosen = CuratedList.objects.create(
        external_id="late-suppers",
        title="Late suppers",
        owner="Travel desk",
        market=market,
        starts_on=today(),
        ends_on=today() + timedelta(days=60),
    )
    CuratedListItem.objects.bulk_create(
        CuratedListItem(curated_list=chosen, place=spot, position=i) for i, spot in enumerate(spots[:6], 1)
    )
    return spots


def _pacing() -> None:
    """A day of the pacer: it began with too little, and froze for an hour of the night."""
    last = int(now().timestamp() // 60)
    said = {"kind": "share_target", "target": 0.1, "tolerance": 0.02, "total": 800.0, "bounded": False}
    PacingPrices.objects.bulk_create(
        PacingPrices(
            surface="dating",
            slot=last - minutes,
            measured_until=now() - timedelta(minutes=minutes),
            rules={
                "welcome": said
                | {"actual": 0.1 - minutes / 2e4, "correction": 0.02 - minutes / 1e5}
                | {"frozen": 480 <= minutes < 540}
            },
        )
        for minutes in range(1200, -1, -1)
    )


def _releases() -> None:
    times = {
        "starts_at": f"{now():%Y-%m-%dT00:00:00Z}",
        "ends_at": f"{now() + timedelta(days=20):%Y-%m-%dT00:00:00Z}",
    }
    bolder = flag(key="bolder-lists", percentage=20.0, overrides={"diversity": 0.4}, **times)
    young = {"attribute": "days_since_joined", "operator": "at_most", "value": 14}
    rules = [
        rule(candidates=young, **times),
        rule(id="rest", name="Rest for the popular", type="cap", effect={"daily": 50, "hourly": 5}, **times),
        rule(
            id="welcome",
            name="A share for newcomers",
            type="share_target",
            candidates=young,
            effect={"share": 0.1, "tolerance": 0.02},
            **times,
        ),
    ]
    for changes, note in (
        (
            {"dating.diversity": 0.3, "dating.weights.activity": 0.15},
            "Favour members who are around, with more variety",
        ),
        (
            {
                "flags": [bolder],
                "segments": [segment()],
                "experiments": [experiment(surface="networking", **times)],
                "dating.rules": rules,
                "dating.daily_cap": 120,
                "networking.weights.newcomer": 0.2,
            },
            "Try bolder lists on a fifth",
        ),
    ):
        draft = services.start_revision(actor=None)
        draft = services.edit_revision(draft, draft.version, changes)
        services.publish_revision(draft, actor=None, note=note)
    draft = services.start_revision(actor=None, title="Less popularity")
    services.edit_revision(draft, 1, {"dating.weights.popularity": -0.25, "travel.quotas.curated": 150})


def _snapshots() -> None:
    for i, status in enumerate(("active", "ready", "removed")):
        built = now() - timedelta(minutes=12 + 15 * i)
        SnapshotRow.objects.create(
            id=f"{built:%Y%m%d-%H%M%S}-a1b2",
            status=status,
            data_until=built - timedelta(seconds=20),
            built_at=built,
            activated_at=built,
            counts={key: {"viewers": 96, "candidates": 96} for key in ("dating", "networking", "travel")},
            bytes=4_812_345,
            report={
                "seconds": {"reading": 0.36, "learning dating": 8.6},
                "learnt": {"dating": {"likes": 66, "mean_log_odds": -1.386}},
            },
        )
    active = SnapshotRow.objects.get(status="active")
    RefreshJob.objects.create(
        key="refresh-1", status="done", step="activate", attempts=1, snapshot=active, finished_at=now()
    )
    RefreshJob.objects.create(
        key="refresh-2", status="failed", step="factorise", attempts=3, error="Not enough likes yet."
    )


def _history(
    draw: random.Random, people: list[int], spots: list[int], market: Market, days: int, lists_a_day: int
) -> None:
    events, deliveries, liked = [], [], set()
    for back in range(days):
        for _ in range(lists_a_day + draw.randrange(4)):
            at = now() - timedelta(days=back, minutes=draw.randrange(5, 300))
            surface = draw.choice(("dating", "dating", "networking", "travel"))
            pool = spots if surface == "travel" else people
            viewer = draw.choice(people)
            shown = [] if draw.random() < 0.05 else draw.sample([n for n in pool if n != viewer], 8)
            delivery = _delivery(viewer, surface, market, shown, at)
            deliveries.append(delivery)
            for position, target in enumerate(shown[:3]):
                kind = "place" if surface == "travel" else "member"
                type_ = draw.choice(
                    ("impression", "save" if kind == "place" else "like", "pass", "profile_view")
                )
                event = Event(
                    id=uuid.UUID(int=draw.getrandbits(128)),
                    type=type_,
                    actor=viewer,
                    target=target,
                    target_kind=kind,
                    surface=surface,
                    delivery=delivery.id,
                    position=position,
                    occurred_at=at,
                    received_at=at,
                    context={"app_version": "5.2"},
                )
                events.append(event)
                if type_ in ("like", "save"):
                    liked.add((viewer, target, kind, surface, at, event.id))
    ensure_partitions("interactions_event", [e.occurred_at for e in events])
    ensure_partitions("interactions_delivery", [d.served_at for d in deliveries])
    Event.objects.bulk_create(events)
    Delivery.objects.bulk_create(deliveries)
    rows = {
        (a, t, k, s): Relationship(
            actor=a,
            target=t,
            target_kind=k,
            surface=s,
            decided_at=at,
            decided_by=e,
            state="saved" if k == "place" else draw.choice(("liked", "matched")),
        )
        for a, t, k, s, at, e in sorted(liked)
    }
    Relationship.objects.bulk_create(rows.values())


def _delivery(viewer: int, surface: str, market: Market, shown: list[int], at: object) -> Delivery:
    return Delivery(
        id=uuid.uuid4(),
        served_at=at,
        viewer=viewer,
        surface=surface,
        market=market.id,
        release=3,
        snapshot=SnapshotRow.objects.values_list("id", flat=True)[0],
        seed=42,
        requested=10,
        candidates=shown,
        variants={"bolder-lists": "off", "salts": {"bolder-lists": "2026-11"}},
        scores=[0.8 - i / 20 for i in range(len(shown))],
        propensities=[1.0 if i % 4 else 0.125 for i in range(len(shown))],
        sources=[1 + (i % 3) * 4 for i in range(len(shown))],
        trace=STAGES,
        key_prefix="demo1234",
        shortfall={"missing": 10 - len(shown), "reasons": ["pool_exhausted"]},
    )
