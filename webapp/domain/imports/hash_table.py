"""Remember something about each of many texts in little memory."""

from __future__ import annotations

from array import array

SMALLEST = 1_024  # slots, a power of two
NUMBER = 3  # mask of the bits of a slot that hold a number


class HashTable:
    """A number from 0 to 2 for each text, of which only the hash is kept: 12 to 24 bytes, a tenth of a dict's.

    Among a million texts, the probability that any two are confused is one in several million.
    """

    def __init__(self) -> None:
        self._slots = array("q", bytes(8 * SMALLEST))  # 0 is free; collisions go to the next slot
        self._filled = 0

    def __contains__(self, text: str) -> bool:
        return self._slots[self._place(hash(text))] != 0

    def get(self, text: str) -> int | None:
        slot = self._slots[self._place(hash(text))]
        return (slot & NUMBER) - 1 if slot else None

    def put(self, text: str, number: int = 0) -> bool:
        """Set the number of a text; return whether it has none yet."""
        key = hash(text)
        place = self._place(key)
        fresh = not self._slots[place]
        self._slots[place] = key & ~NUMBER | (number + 1)
        if fresh:
            self._filled += 1
            if 3 * self._filled > 2 * len(self._slots):
                self._grow()
        return fresh

    def copy(self) -> HashTable:
        made = HashTable()
        made._slots, made._filled = self._slots[:], self._filled
        return made

    def _place(self, key: int) -> int:
        """Return the slot with this hash, or the free one for it."""
        slots, last = self._slots, len(self._slots) - 1
        place = key >> 2 & last
        while (slot := slots[place]) and (slot ^ key) & ~NUMBER:
            place = place + 1 & last
        return place

    def _grow(self) -> None:
        old, self._slots = self._slots, array("q", bytes(16 * len(self._slots)))
        for slot in old:
            if slot:
                self._slots[self._place(slot)] = slot
