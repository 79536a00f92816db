"""Processes of the simulation: lives that end between two effects, and the weather over them."""

import random

from msgspec import Struct


class Weather(Struct):
    """What the seed lets go wrong; nothing any more once it is calm."""

    dice: random.Random
    calm: bool = False

    def is_faulty(self, chance: float) -> bool:
        return not self.calm and self.dice.random() < chance


class Crash(BaseException):
    """The process died right here: nothing catches it, nothing after it happens."""


class Process:
    """One life of a service. Once it has crashed, all that it still tries crashes too.

    `knows` is the newest commit that it must know of: the one its rows were at when it began, and
    what it was told of its own appends since.
    """

    def __init__(self, weather: Weather, name: str) -> None:
        self.weather, self.name = weather, name
        self.dead = self.crashed = False
        self.knows = 0

    def point(self) -> None:
        """A place between two effects: here the process may die."""
        mortal = self.name != "client"
        if not self.dead and mortal and self.weather.is_faulty(0.012):
            self.dead = self.crashed = True
        if self.dead:
            raise Crash
