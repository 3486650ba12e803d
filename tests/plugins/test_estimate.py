"""How a launch is chosen: from what compilers say of it, by arithmetic that can be done by hand."""

import math

import pytest

from tosa_edge.plugins import estimate, launch, launch_facts, resources
from tosa_edge.plugins.cost import Sizes
from tosa_edge.plugins.gpus import GPUS, Gpu
from tosa_edge.plugins.kernel_list import ARCHITECTURES
from tosa_edge.plugins.launch import Launch
from tosa_edge.plugins.machine_code import of_text
from tosa_edge.plugins.token_importance import UNITS

ONE = Gpu("one", 10, 1.0, 2048, 32, 228, 128, 4096, 1e9)
SIZES = Sizes(tokens=640, kept=640, width=64, heads=1)


def attention(queries=64, warps=4):
    return launch._attention(64, queries, 64, warps, 2)


def compiled(registers=64, shared=0, spilled=0, once=0, turn=(0, 0, 0, 0)):
    code = {"once": [once, 0, 0, 0], "loops": [{"turn": list(turn), "unit": [0, 0, 0, 0]}]}
    return {"registers": registers, "shared": shared, "spilled": spilled, "code": code}


@pytest.mark.parametrize(
    ("architecture", "registers", "threads", "kib", "blocks"),
    [
        (90, 138, 256, 50, 1),  # registers: 12 warps of 144, in whole blocks of eight
        (90, 128, 256, 50, 2),
        (90, 32, 256, 0, 8),  # threads
        (89, 16, 32, 0, 24),  # blocks
        (89, 64, 128, 48, 2),  # shared memory, one KiB of which the system takes
        (89, 64, 128, 99, 1),
        (89, 64, 128, 100, 0),
    ],
)
def test_blocks_that_a_multiprocessor_holds(architecture, registers, threads, kib, blocks):
    assert estimate.resident(GPUS[architecture], registers, threads, kib * 1024) == blocks


@pytest.mark.parametrize(
    ("turn", "cycles"),
    [
        ((200, 0, 0, 0), 10 * 200 * estimate.PACE),  # one warp's own pace
        ((200, 0, 0, 20), 10 * (400 + 20 * estimate.BARRIER)),
        ((200, 200, 0, 0), 4000),  # four warps on 128 lanes are as fast
        ((200, 0, 200, 0), 10 * 4 * 200 * 32 / 16),  # exponentials of four warps
        ((1, 0, 0, 0), 10 * 4 * 64 * 64 * 64 / 4096),  # matrix products
    ],
)
def test_the_slowest_unit_decides(turn, cycles):
    """Ten blocks of ten turns on ten multiprocessors, a nanosecond to a cycle."""
    taken = estimate.microseconds(attention(), compiled(turn=turn), ONE, SIZES)
    assert taken == pytest.approx(cycles / 1e3)


def test_blocks_that_find_no_room_come_after():
    """Four blocks a multiprocessor of 16 warps each: two at a time, so twice the time of two."""
    wide = attention(queries=16, warps=16)
    at_once, after = compiled(32, turn=(100, 0, 0, 0)), compiled(64, turn=(100, 0, 0, 0))
    assert estimate.microseconds(wide, at_once, ONE, SIZES) == pytest.approx(10 * 100 * 64 / 4 / 1e3)
    assert estimate.microseconds(wide, after, ONE, SIZES) == pytest.approx(10 * 100 * 64 / 4 / 1e3)
    lone = compiled(128, turn=(100, 0, 0, 100))  # one at a time: nobody fills its waiting
    assert estimate.microseconds(wide, lone, ONE, SIZES) == pytest.approx(4 * 10 * (200 + 3000) / 1e3)


def test_memory_is_a_floor():
    slow = Gpu("slow", 10, 1.0, 2048, 32, 228, 128, 4096, 1.0)
    assert estimate.microseconds(attention(), compiled(), slow, SIZES) == 4 * 640 * 64 * 2 / 1e3


def test_no_choice_spills_and_equals_keep_their_order():
    same = compiled(turn=(5000, 0, 0, 0))
    faster = compiled(turn=(2500, 0, 0, 0))
    spilling = faster | {"spilled": 4}
    too_big = faster | {"shared": 99 * 1024 + 1}
    variants = lambda *found: [(attention(), one) for one in found]  # noqa: E731
    assert estimate.fastest_fitting(variants(same, same), 89, half=True) == 0
    assert estimate.fastest_fitting(variants(same, faster), 89, half=True) == 1
    assert estimate.fastest_fitting(variants(same, spilling), 89, half=True) == 0
    assert estimate.fastest_fitting(variants(same, too_big), 89, half=True) == 0
    assert estimate.fastest_fitting(variants(same, too_big), 90, half=True) == 1
    assert estimate.fastest_fitting(variants(spilling, too_big), 89, half=True) is None


@pytest.mark.parametrize(("kept", "best"), [(217, 0), (4096, 1)])
def test_the_grid_decides_as_well(kept, best):
    """Twice the rows for half as many more instructions: no gain where most multiprocessors have no block."""
    variants = [
        (attention(64), compiled(turn=(1000, 0, 0, 0))),
        (attention(128), compiled(turn=(1400, 0, 0, 0))),
    ]
    given = Sizes(2 * kept, kept, 384)
    taken = [estimate.microseconds(*variant, GPUS[90], given) for variant in variants]
    assert taken.index(min(taken)) == best


LISTING = """
.text.kernel:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
        /*0010*/                   FADD R2, R1, R1 ;
.L_x_1:
{turn}
.L_x_2:
{unit}
        /*0500*/              @!P0 BRA `(.L_x_2) ;
        /*0510*/                   BAR.SYNC.DEFER_BLOCKING 0x0 ;
        /*0520*/               @P1 BRA `(.L_x_1) ;
.L_x_3:
        /*0530*/                   SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [R2] ;
        /*0540*/              @!P0 BRA `(.L_x_3) ;
        /*0550*/                   EXIT ;
.L_x_4:
        /*0560*/                   NOP ;
        /*0570*/                   BRA `(.L_x_1) ;
"""


def test_instructions_are_counted_where_they_are_met():
    lines = lambda text, count: "\n".join(f"        /*{i:04x}*/   {text} ;" for i in range(count))  # noqa: E731
    found = of_text(
        LISTING.format(turn=lines("@P0 MUFU.EX2 R3, R3", 20), unit=lines("FFMA R4, R4, R4, R4", 30))
    )
    assert found == {
        "once": [4, 1, 0, 0],
        "loops": [{"turn": [22, 0, 20, 1], "unit": [31, 30, 0, 0]}],
    }


def test_nothing_known_is_the_first_way():
    for unknown in (None, 87):
        assert launch.attention(True, 16, unknown)[0].constants["BLOCK_M"] == launch.ATTENTION[True][0][0]


def test_a_gpu_that_came_later_is_launched_as_the_last_before_it():
    assert launch.attention(True, 64, 121) == launch.attention(True, 64, 120)
    assert launch.importance(True, 6, 64, 12, 103) == launch.importance(True, 6, 64, 12, 100)


STEPS = {
    "importance": lambda architecture: launch.importance(True, 6, 64, 12, architecture),
    "attention": lambda architecture: launch.attention(True, 64, architecture),
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("steps", STEPS)
def test_what_ships_is_the_best_of_what_was_compiled(architecture, steps):
    """The committed facts: every way of the larger model was compiled, and none beats the chosen one."""
    for one in STEPS[steps](architecture):
        variants = [
            (variant, launch_facts.lookup(variant, True, architecture)) for variant in (one, *one.others)
        ]
        assert all(known is not None for _, known in variants)
        assert estimate.fits(variants[0][1], architecture)
        product = lambda variant: math.prod(  # noqa: E731
            estimate.microseconds(*variant, GPUS[architecture], s)
            for s in estimate.shipped(variant[0], half=True)
        )
        assert product(variants[0]) == min(
            product(variant) for variant in variants if estimate.fits(variant[1], architecture)
        )


def test_the_inner_loop_is_the_convolutions():
    """A fused multiply-add for every weight, score of a thread, and unit of a turn."""
    counted = 0
    for name, known in launch_facts.load()["kernels"].items():
        _, precision, *words = name.split()
        of = {n: int(v) for n, v in (word.split("=") for word in words)}
        # On sm_100 an instruction does two of them at once (FFMA2), and is not counted among KINDS.
        if not of.get("HIDDEN") or precision != "fp16" or of["sm"] == 100:
            continue
        scores = of["BLOCK_Q"] * of["BLOCK_K"] // (32 * of["warps"])
        multiply_adds = UNITS * 2 * of["HEADS"] * scores
        loop = known["code"]["loops"][-1]
        counted += 1
        if not any(loop["unit"]):  # of few heads: the compiler has unrolled all of it into the loop around it
            assert loop["turn"][1] >= of["HIDDEN"] // UNITS * multiply_adds, name
            continue
        inside = loop["unit"]
        # Before sm_90, where there are fewer columns than warps have, two warps compute the same.
        beyond = [inside[1] - times * multiply_adds for times in (1, 2)]
        assert any(0 <= more <= 2 * UNITS for more in beyond), name
    assert counted


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_importance_is_expected_to_cost_less_with_a_stride(architecture):
    every, eighth = (resources.importance_ratio(architecture, stride) for stride in (1, 8))
    assert 1 < every / eighth <= 8.5  # fewer queries may leave too few blocks
    assert isinstance(launch.importance(True, 6, 64, 12, architecture)[0], Launch)
