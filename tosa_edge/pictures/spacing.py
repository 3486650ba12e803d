"""Which of many are taken, where only some are wanted."""


def evenly_spaced(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly."""
    chosen = min(count, most)
    return [i * count // chosen for i in range(chosen)]
