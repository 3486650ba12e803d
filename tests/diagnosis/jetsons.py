"""The files of two Jetsons, as JetPack lays them down, in a folder that stands for the root."""

from __future__ import annotations

from pathlib import Path

ORIN = {
    "etc/nv_tegra_release": (
        "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
        "DATE: Wed Jan  8 01:49:37 UTC 2025\n# KERNEL_VARIANT: oot\n"
        "TARGET_USERSPACE_LIB_DIR=nvidia\nTARGET_USERSPACE_LIB_DIR_PATH=usr/lib/aarch64-linux-gnu/nvidia\n"
    ),
    "var/lib/dpkg/status": (
        "Package: libnvinfer10\nStatus: install ok installed\nPriority: optional\nSection: multiverse/devel\n"
        "Maintainer: cudatools <cudatools@nvidia.com>\nArchitecture: arm64\nSource: tensorrt\n"
        "Version: 10.3.0.30-1+cuda12.5\nDepends: libcublas-12-5\n\n"
        "Package: nvidia-jetpack-runtime\nStatus: install ok installed\nVersion: 6.2+b77\n\n"
        "Package: nvidia-jetpack\nStatus: install ok installed\nPriority: standard\nSection: metapackages\n"
        "Maintainer: NVIDIA Corporation\nArchitecture: arm64\nVersion: 6.2+b77\n"
        "Depends: nvidia-jetpack-runtime (= 6.2+b77), nvidia-jetpack-dev (= 6.2+b77)\n"
    ),
    "etc/nvpmodel.conf": (
        "#\n# FORMAT:\n# < PARAM TYPE=PARAM_TYPE NAME=PARAM_NAME >\n\n"
        "< PARAM TYPE=FILE NAME=CPU_ONLINE >\nCORE_0 /sys/devices/system/cpu/cpu0/online\n\n"
        "< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n\n"
        "< POWER_MODEL ID=1 NAME=25W >\nCPU_ONLINE CORE_0 1\n\n"
        "< POWER_MODEL ID=2 NAME=MAXN_SUPER >\nCPU_ONLINE CORE_0 1\n\n"
        "< POWER_MODEL ID=3 NAME=7W >\nCPU_ONLINE CORE_0 1\n\n"
        "# mandatory section to configure the default mode\n< PM_CONFIG DEFAULT=1 >\n"
    ),
    "var/lib/nvpmodel/status": "pmode:0001",
    "sys/class/devfreq/17000000.gpu/min_freq": "306000000\n",
    "sys/class/devfreq/17000000.gpu/max_freq": "1020000000\n",
    "proc/driver/nvidia/version": (
        "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build  "
        "(buildbrain@mobile-u64-6336-d8000)  Tue Jan  7 17:35:12 PST 2025\n"
        "GCC version:  collect2: error: ld returned 1 exit status\n"
    ),
    "usr/local/cuda/version.json": (
        '{\n   "cuda" : {\n      "name" : "CUDA SDK",\n      "version" : "12.6.11"\n   },\n'
        '   "cuda_cudart" : {\n      "name" : "CUDA Runtime",\n      "version" : "12.6.68"\n   }\n}\n'
    ),
    "proc/swaps": (
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        "/dev/zram0                              partition\t650896\t\t0\t\t5\n"
        "/dev/zram1                              partition\t650896\t\t0\t\t5\n"
    ),
}
THOR = {
    "etc/nv_tegra_release": (
        "# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic, EABI: aarch64, "
        "DATE: Fri Aug 22 00:55:42 UTC 2025\n# KERNEL_VARIANT: oot\n"
    ),
    "var/lib/dpkg/status": "Package: nvidia-l4t-core\nStatus: install ok installed\nVersion: 38.2.0\n",
    "etc/nvpmodel.conf": (
        "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=120W >\n< PM_CONFIG DEFAULT=1 >\n"
    ),
    "var/lib/nvpmodel/status": "pmode:0000",
    "sys/class/devfreq/gpu-gpc-0/min_freq": "1575000000\n",
    "sys/class/devfreq/gpu-gpc-0/max_freq": "1575000000\n",
    "sys/module/nvidia/version": "580.00\n",
    "usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "13.0.0"}}',
}


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
