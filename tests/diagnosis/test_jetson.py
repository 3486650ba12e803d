"""Two made-up Jetsons: an Orin Nano with JetPack 6.2, a Thor with JetPack 7.0."""

from __future__ import annotations

import pytest

from tests.diagnosis.jetsons import ORIN, THOR, lay
from tests.engine import samples
from tosa_edge.diagnosis import OK, OPTIONAL, hardware, jetson, nvidia


def only(findings):
    (one,) = findings
    return one.value, one.verdict, one.remedy


def test_jetpack_by_its_package_or_by_what_l4t_stands_for(tmp_path):
    orin, thor = lay(tmp_path / "orin", ORIN), lay(tmp_path / "thor", THOR)
    assert only(jetson.board(orin)) == ("6.2+b77 (L4T 36.4.3)", OK, "")
    assert only(jetson.board(thor)) == ("7.0 (L4T 38.2.0)", OK, "")  # the metapackage was never installed
    assert only(jetson.board(tmp_path)) == ("not a Jetson", OK, "")


def test_the_module_where_the_device_tree_names_one(tmp_path):
    model = {"proc/device-tree/model": "NVIDIA Jetson Orin NX Engineering Reference Developer Kit\0"}
    named = {f.name: f.value for f in jetson.board(lay(tmp_path, ORIN | model))}
    assert named == {"JetPack": "6.2+b77 (L4T 36.4.3)", "module": "Jetson Orin NX"}


@pytest.mark.parametrize(
    ("files", "version", "says", "remedy"),
    [
        (ORIN, "10.3.0", "JetPack 6.2 with TensorRT 10.3.0: takes", "never build with --no-validate"),
        (ORIN, "10.7.0", "knows no ONNX Attention (this JetPack comes with 10.3)", ""),
        (THOR, "10.13.3", "JetPack 7.0 with TensorRT 10.13.3: ", ""),
        ({}, "10.16.0", "TensorRT 10.16.0: takes the plugin and ONNX Attention", ""),
    ],
)
def test_jetpack_and_tensorrt_together(tmp_path, files, version, says, remedy):
    value, verdict, told = only(nvidia.pair(lay(tmp_path, files), version, samples.ORIN))
    assert says in value
    assert ("comes with" in value) == ("comes with" in says)
    assert remedy in told
    assert verdict == (OPTIONAL if remedy else OK)


def test_without_tensorrt_there_is_no_pair(tmp_path, monkeypatch):
    monkeypatch.setattr(nvidia, "tensorrt_module", lambda backend: None)
    assert nvidia.pair(lay(tmp_path, ORIN)) == []


@pytest.mark.parametrize(
    ("jetpack", "tensorrt"),
    [("6.0", None), ("6.1", "10.3"), ("6.2.1+b38", "10.3"), ("7.0", "10.13"), ("7.2", "10.16")],
)
def test_jetpack_to_tensorrt(jetpack, tensorrt):
    assert jetson.tensorrt_of(jetpack) == tensorrt
    assert jetson.tensorrt_of("7.2.2") == jetson.tensorrt_of("7.3") == "11.4"


@pytest.mark.parametrize(
    ("l4t", "jetpack"),
    [
        ("36.3.0", "6.0"),
        ("36.4.0", "6.1"),
        ("36.4.4", "6.2.1"),
        ("36.4.7", "6.2.1"),
        ("38.4.0", "7.1"),
        ("39.2.0", "7.2"),
        ("35.6.1", None),
        ("", None),
    ],
)
def test_l4t_to_jetpack(l4t, jetpack):
    assert jetson.jetpack_of(l4t) == jetpack


def test_a_jetpack_too_old_for_these_graphs(tmp_path):
    old = ORIN["etc/nv_tegra_release"].replace("R36", "R35").replace("4.3", "6.1")
    value, verdict, remedy = only(jetson.board(lay(tmp_path, {"etc/nv_tegra_release": old})))
    assert (value, verdict) == ("L4T 35.6.1", OPTIONAL)
    assert "flash 6.2" in remedy


def test_a_release_file_that_says_nothing(tmp_path):
    assert only(jetson.board(lay(tmp_path, {"etc/nv_tegra_release": "# garbled\n"})))[0] == "L4T"
    assert only(jetson.board(lay(tmp_path, {"etc/nv_tegra_release": ""})))[0] == "not a Jetson"


def test_a_removed_package_is_not_there():
    removed = "Package: nvidia-jetpack\nStatus: deinstall ok config-files\nVersion: 6.0+b106\n"
    assert jetson.package_version(removed, "nvidia-jetpack") is None
    assert jetson.package_version(ORIN["var/lib/dpkg/status"], "jetpack") is None


def test_the_power_mode_and_the_one_without_a_limit(tmp_path):
    orin, thor = lay(tmp_path / "orin", ORIN), lay(tmp_path / "thor", THOR)
    value, verdict, remedy = only(jetson.power(orin))
    assert (value, verdict) == ("25W (1)", OPTIONAL)
    assert "`sudo nvpmodel -m 2`" in remedy
    assert only(jetson.power(thor)) == ("MAXN (0)", OK, "")
    # Never set: the default of the table.
    (thor / "var/lib/nvpmodel/status").unlink()
    assert only(jetson.power(thor))[0] == "120W (1)"
    (thor / "etc/nvpmodel.conf").unlink()
    assert "nvpmodel -q" in only(jetson.power(thor))[2]
    assert jetson.power(tmp_path) == []


def test_clocks_that_follow_the_load(tmp_path):
    orin, thor = lay(tmp_path / "orin", ORIN), lay(tmp_path / "thor", THOR)
    value, verdict, remedy = only(jetson.clocks(orin))
    assert (value, verdict) == ("GPU from 306 to 1,020 MHz, by load", OPTIONAL)
    assert "`sudo jetson_clocks`" in remedy
    assert only(jetson.clocks(thor)) == ("GPU fixed at 1,575 MHz", OK, "")
    assert jetson.clocks(tmp_path) == []


def test_compressed_memory_is_no_swap(tmp_path):
    orin = lay(tmp_path, ORIN)
    value, verdict, remedy = only(hardware.swap(orin / "proc/swaps", total=7620))
    assert (value, verdict) == ("0 MB on disk, 1,270 MB compressed memory", OPTIONAL)
    assert "sudo fallocate -l 8G /swapfile" in remedy
    with_file = ORIN["proc/swaps"] + "/swapfile                               file\t\t8388604\t\t0\t\t-2\n"
    (orin / "proc/swaps").write_text(with_file)
    assert only(hardware.swap(orin / "proc/swaps", total=7620))[1] == OK
    assert only(hardware.swap(tmp_path / "nowhere"))[0] == "not known"


def test_tensorrt_that_this_python_does_not_see(tmp_path, monkeypatch):
    monkeypatch.setattr(nvidia, "tensorrt_module", lambda backend: None)
    orin = lay(tmp_path / "orin", ORIN)
    full, rtx = nvidia.tensorrt(orin, "aarch64")
    assert full.value == "10.3.0.30-1+cuda12.5, but this Python does not see it"
    assert "--system-site-packages" in full.remedy
    assert (rtx.verdict, rtx.remedy) == (OK, "")  # it is not for Jetsons
    bare = lay(tmp_path / "bare", {"etc/nv_tegra_release": ORIN["etc/nv_tegra_release"]})
    assert "apt install nvidia-jetpack" in nvidia.tensorrt(bare, "aarch64")[0].remedy
    assert "'tosa-edge[tensorrt]'" in nvidia.tensorrt(tmp_path, "x86_64")[0].remedy
    assert "'tosa-edge[rtx]'" in nvidia.tensorrt(tmp_path, "x86_64")[1].remedy
