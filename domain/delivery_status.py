"""The states of a delivery to an endpoint that the endpoint's owner sees."""

from enum import StrEnum


class DeliveryStatus(StrEnum):
    WAITING = "waiting"  # To be sent, or to be tried again.
    SENT = "sent"
    FAILED = "failed"  # Given up.
