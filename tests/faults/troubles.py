"""Troubles of a whole run, beside the small ones: rows that stand still, are gone, a set-back."""

import asyncio
from collections import Counter

from read_models import positions
from tests.faults.lives import SUBMIT_UNKNOWN_SECONDS, Services

STILL_SECONDS = (3 * SUBMIT_UNKNOWN_SECONDS, 15 * SUBMIT_UNKNOWN_SECONDS)
SET_BACK_SECONDS = (1.0, 12.0)
FORGOTTEN_ACKS = 20


class Troubles:
    """What the seed has chosen for this run. `seen` counts what came about."""

    def __init__(self, services: Services) -> None:
        self.seen: Counter[str] = Counter()
        self._services = services
        dice = services.weather.dice
        chances = ((self.stand_still, 0.2), (self.project_anew, 0.15), (self.set_back, 0.3))
        self._chosen = [trouble for trouble, chance in chances if dice.random() < chance]
        dice.shuffle(self._chosen)

    async def run(self) -> None:
        """One after the other: a process that begins on rows made anew cannot know how far the
        log had been.
        """
        for trouble in self._chosen:
            await asyncio.sleep(self._services.weather.dice.uniform(0, 12))
            await trouble()

    async def stand_still(self) -> None:
        """The projector is frozen for minutes, and whatever is asked for meanwhile goes on."""
        clock = asyncio.get_running_loop().time()
        seconds = self._services.weather.dice.uniform(*STILL_SECONDS)
        self._services.projector_stands_until = clock + seconds
        self.seen["stood still"] += 1
        await asyncio.sleep(seconds)

    async def project_anew(self) -> None:
        """As `darkroom projections rebuild` does it, while everything runs."""
        end = self._services.broker.end
        self._services.database.now(positions.forget)
        self.seen["projected anew"] += 1
        while await self._services.position() < end:
            await asyncio.sleep(0.5)

    async def set_back(self) -> None:
        """The broker shows an older copy of its log, which everybody knows to be an older one."""
        services = self._services
        for _ in range(60):
            to = min((each.knows for each in services.living), default=0) - 1
            if to >= 0 and to < await services.position():
                break
            await asyncio.sleep(0.5)
        else:
            return
        services.broker.set_back(to)
        for consumer in (services.requests, services.results):
            consumer.forget_acks(to - FORGOTTEN_ACKS)
        self.seen["set back"] += 1
        await asyncio.sleep(services.weather.dice.uniform(*SET_BACK_SECONDS))
        services.broker.set_back(None)
