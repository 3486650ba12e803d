"""The furniture catalogue sorted by what a piece is for."""

from __future__ import annotations

import re

import numpy as np

from .catalogue import Furniture, Model
from .mesh import Mesh

ROLES = {  # role: (whole words of the name, least height, most height, least width)
    "sofa": (r"sofa|couch", 0.5, 1.1, 1.2),
    "armchair": (r"armchair|puff", 0.4, 1.2, 0.5),
    "chair": (r"(?<!baby high )(?<!child )(?<!children )(?<!bar )chair", 0.7, 1.1, 0.3),
    "stool": (r"stool|bar chair", 0.6, 1.2, 0.3),
    "table": (r"(?<!coffee )table(?! (lamp|foot))|desk$", 0.6, 0.95, 0.6),
    "low_table": (r"coffee table|^table$|bench", 0.25, 0.58, 0.6),
    "desk": (r"desk|wooden .*table", 0.65, 1.8, 0.9),
    "bed": (r"(?<!hospital )bed|bunk|futon", 0.3, 1.7, 0.8),
    "storage": (
        r"bookcase|shelves|shelf|wardrobe|cupboard|filing cabinet|dresser|chest(?! freezer)|tv stand",
        0.4,
        2.3,
        0.35,
    ),
    "kitchen_unit": (r"(?<!filing )cabinet|chest freezer", 0.6, 2.3, 0.4),
    "appliance": (r"fridge|refrigerator|oven$|washing machine|dryer machine|stove|cooler", 0.7, 2.3, 0.25),
    "night_table": (r"bedside table", 0.3, 0.7, 0.3),
    "plant": (r"plant|yucca|ficus|bamboo|christmas tree|flowers", 0.45, 2.1, 0.1),
    "floor_lamp": (r"^lamp$|fan$|screen$|umbrella|clothes (rack|horse)", 0.6, 2.1, 0.1),
    "loose": (
        r"backpack|suitcase|cardboard box|^box$|clothes basket|shopping basket|bin|dustbin|guitar|speaker|"
        r"fan|basketball|soccer ball|shoes|sneakers|crate|radiator|broom|stool|handbag|briefcase|cat|"
        r"^dog$|wood logs|step ladder|teddy|trash can|plant|printer|^vase$",
        0.05,
        1.0,
        0.05,
    ),
    "person": (r"male|female|man|woman|boy|girl|mannequin", 0.8, 2.0, 0.2),
}
SMALL_CATEGORIES = {"Kitchen", "Office", "Miscellaneous", "Living room", "Bedroom", "Bathroom", "Lights"}
NOT_ON_A_TABLE = re.compile(
    r"\b(plug|switch|dimmer|socket|antenna|knife|saw|rail|fence|cone|chimney|rack|detector|CCTV|coathanger|"
    r"chair|stool|bedside table|dustbin|potty|skirt)\b",
    re.I,
)


def suits(role: str, name: str) -> bool:
    """Whether a piece of this name serves a role; only whole words count, as "cabinet" holds a bin."""
    return re.search(rf"\b(?:{ROLES[role][0]})\b", name, re.I) is not None


class FurnitureByRole:
    """The catalogue sorted by what a piece is for."""

    def __init__(self, furniture: Furniture) -> None:
        self.furniture = furniture
        self.by_role: dict[str, list[Model]] = {
            role: [
                m
                for m in furniture.models
                if suits(role, m.name)
                and m.elevation < 0.05
                and low <= m.size[2] <= high
                and width <= m.size[0] <= 3.0
                and m.size[1] <= 2.4
            ]
            for role, (_, low, high, width) in ROLES.items()
        }
        self.by_role["small"] = [
            m
            for m in furniture.models
            if m.category in SMALL_CATEGORIES
            and m.elevation < 0.05
            and not NOT_ON_A_TABLE.search(m.name)
            and max(m.size[:2]) < 0.5
            and 0.015 < m.size[2] < 0.6
        ]

    @property
    def models(self) -> list[Model]:
        """Every model that a scene can hold, once."""
        return list(dict.fromkeys(model for models in self.by_role.values() for model in models))

    def pick(self, role: str, rng: np.random.Generator) -> Mesh | None:
        models = self.by_role.get(role, [])
        return self.furniture.mesh(models[rng.integers(len(models))]) if models else None
