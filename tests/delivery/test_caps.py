"""The daily cap from the policy to the list."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from apps.delivery.runtime import Runtime
from apps.delivery.services import recommend
from apps.releases import services
from apps.surfaces.models import Market
from tests.delivery.test_services import WOMEN, names
from tests.refresh.rows import make_member


def cap_of(cap: int, serving: Runtime) -> None:
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, draft.version, {"dating.daily_cap": cap})
    release = services.publish_revision(draft, actor=None, note="a cap")
    serving.poll()
    assert serving.world.live is not None
    assert serving.world.live.stable_number == release.number


def men(market: Market, serving: Runtime, count: int) -> list[str]:
    made = [f"man-{i}" for i in range(count)]
    for name in made:
        make_member(name, market, gender="man", seeking=["woman"])
    from apps.common.changes import record_changes
    from apps.members.models import Member

    numbers = Member.objects.filter(external_id__in=made).values_list("number", flat=True)
    record_changes("member.saved", numbers)
    serving.poll()
    return made


def patiently(member: str) -> dict[str, Any]:
    """64 threads on a few cores may make a store look away for a moment: an empty list, not a wrong one."""
    return recommend(surface="dating", member=member, limit=5)


def test_the_cap_holds_under_64_concurrent_viewers(serving: Runtime, market: Market) -> None:
    cap_of(7, serving)
    viewers = men(market, serving, 64)
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(patiently, viewers))
    shown = [name for answer in answers for name in names(answer)]
    assert set(shown) <= WOMEN
    assert max(shown.count(name) for name in WOMEN) <= 7


def test_a_list_short_of_capped_people_says_so(serving: Runtime, market: Market) -> None:
    cap_of(1, serving)
    first, second, third = men(market, serving, 3)
    assert set(names(recommend(surface="dating", member=first, limit=5))) == WOMEN
    answer = recommend(surface="dating", member=second, limit=5)
    assert answer["items"] == []
    assert answer["shortfall"] == {"missing": 5, "reasons": ["capped", "pool_exhausted"]}
    time.sleep(0.6)  # by now every process leaves them out before it ranks
    serving.poll()
    again = recommend(surface="dating", member=third, limit=5)
    assert again["shortfall"] == {"missing": 5, "reasons": ["capped", "pool_exhausted"]}
