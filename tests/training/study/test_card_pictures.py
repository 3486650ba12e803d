import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from tests.nets import TINY, tiny_checkpoint
from tosa_edge.training.study.card_pictures import GAP, LABEL, chosen_rows, main


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 5))
def test_the_best_and_the_worst_are_always_shown_and_nothing_twice(scores, count):
    rows = chosen_rows(scores, count)
    assert len(rows) == len(set(rows)) <= 3 * count
    shown = [scores[i] for i in rows]
    assert max(shown) == max(scores)
    assert min(shown) == min(scores)


def test_a_sheet_has_a_row_for_each_frame_and_a_column_for_each_way(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (5, TINY.height, TINY.width, 3), np.uint8)
    depth = rng.integers(500, 5000, image.shape[:3]).astype(np.uint16)
    save_file({"image": image, "depth": depth}, tmp_path / "shard-00000.safetensors")
    out = tmp_path / "cards" / "tiny.jpg"
    start = str(tiny_checkpoint(tmp_path))
    assert main([start, "--shards", str(tmp_path), "--count", "1", "-o", str(out)]) == 0
    sheet = cv2.imread(str(out))
    assert sheet.shape[:2] == (LABEL + 3 * (TINY.height + GAP), 6 * (TINY.width + GAP))


def test_no_shards_is_told_in_words(tmp_path, capsys):
    start = str(tiny_checkpoint(tmp_path))
    assert main([start, "--shards", str(tmp_path / "none"), "-o", str(tmp_path / "x.jpg")]) == 2
    assert "no readable shards" in capsys.readouterr().err
