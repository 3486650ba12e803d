"""What INT8 costs, group by group, and which groups to keep in float to stay within a budget.

Each group (a block, or a kind of layer) is taken back to float while the others stay INT8; what the model
then gains in agreement with float32 is what the group costs. Costs are ranked by the mean relative error of
depth: agreement under delta1 saturates, and says zero of most groups.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from tosa_edge.calibration.agreement import Agreement
from tosa_edge.calibration.placement import Layer, in_groups
from tosa_edge.errors import CheckFailed

# The agreement of a model in which the layers of these names stay in float.
Judge = Callable[[Collection[str]], Agreement]


@dataclass(frozen=True)
class Cost:
    """Of one group in INT8: `drop` in delta1 and `error`, as against leaving it in float.

    `share` is the group's part of all INT8 weights: what is given up in speed and size when it is kept back.
    """

    group: str
    layers: int
    share: float
    drop: float
    error: float


@dataclass(frozen=True)
class Kept:
    """The groups and layers kept in float, and the agreement of the model that is left."""

    groups: tuple[str, ...]
    layers: tuple[str, ...]
    agreement: Agreement


def costs(
    layers: list[Layer],
    sizes: dict[str, int],
    judge: Judge,
    on_group: Callable[[int, int], None] = lambda done, groups: None,
) -> list[Cost]:
    """One for each group, the dearest first. `sizes` are the numbers of weights by layer name."""
    everything = judge(())
    whole = sum(sizes[layer.name] for layer in layers)
    groups, found = in_groups(layers), []
    for done, (group, members) in enumerate(groups.items(), 1):
        names = [layer.name for layer in members]
        without = judge(names)
        found.append(
            Cost(
                group,
                len(members),
                sum(sizes[name] for name in names) / whole,
                everything.drop - without.drop,
                everything.error - without.error,
            )
        )
        on_group(done, len(groups))
    return sorted(found, key=lambda cost: -cost.error)


def keep_within(
    budget: float, layers: list[Layer], ranked: list[Cost], judge: Judge, start: Agreement
) -> Kept:
    """Takes groups back to float until the agreement has dropped by no more than `budget`.

    First those that give back most for what they cost in speed: a block costs a twelfth of it, a kind of
    layer up to a third.
    """
    groups = in_groups(layers)
    order = sorted(ranked, key=lambda cost: -cost.error / cost.share)
    kept: list[str] = []
    names: tuple[str, ...] = ()
    agreement = start
    for cost in order:
        if agreement.drop <= budget:
            break
        kept.append(cost.group)
        names = tuple(dict.fromkeys([*names, *(layer.name for layer in groups[cost.group])]))
        if len(names) == len(layers):
            raise CheckFailed(
                f"a drop of at most {budget:g} cannot be met: the model loses {start.drop:.4f} in INT8, and "
                "meets it only with every layer in float",
                "Allow a larger --max-drop, try another --method, or use the float model.",
            )
        agreement = judge(names)
    return Kept(tuple(kept), names, agreement)
