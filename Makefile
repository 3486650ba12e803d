# `make demo` and `make test` do all the set-up themselves, each into a virtual environment here.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORE := build/core-env
AARCH64 := $(filter aarch64,$(shell uname -m))
# Tests run side by side, in so many processes.
JOBS ?= 2

.PHONY: demo test test-core test-slow test-long fuzz soak lint bench overhead kernels kernels-check cost fit-kernels plugin
.PHONY: gpu-pack gpu-check render objects class-head study edges token-age front card-pictures blas docs clean

demo: $(VENV)/core.done
	$(BIN)/tosa-edge demo --out demo

test: lint
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not slow and not gpu and not long" --durations=10

# What a robot can: the core and pytest, nothing else. Tests of what is not there skip and say so.
test-core: $(CORE)/core.done
	$(CORE)/bin/python -m pytest -m "not slow and not gpu and not long" --durations=10

test-slow: $(VENV)/dev.done
	$(BIN)/python -m pytest -n $(JOBS) --dist load -m "slow" --durations=10

# Over a million broken files, for whatever reads files from elsewhere; says how many.
fuzz: $(VENV)/dev.done
	TOSA_EDGE_FUZZ=50 $(BIN)/python -m pytest -s --hypothesis-show-statistics tests/test_fuzz.py tests/engine/test_manifest.py \
		tests/calibration/test_table.py

# 200,000 frames through a tiny model into every sink: nothing may grow. A quarter of an hour and 15 GB of disk.
soak: $(VENV)/dev.done
	$(BIN)/python -m tests.soak $(ARGS)

lint: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/core.done
	$(BIN)/tosa-edge bench $(ARGS)

# What the pipeline adds to the model; on a machine with nothing else to do. ARGS="--rounds 6".
overhead: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.bench.overhead $(ARGS)

# The kernels for all eight GPU architectures, into build/tosa.kernels; needs no GPU. SM="87 90": only those.
# CHOOSE=1: every way to launch them is compiled, and what is found goes into plugins/facts.json, which chooses.
kernels: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.plugins.aot $(if $(SM),--sm $(SM)) $(if $(CHOOSE),--choose) $(ARGS)

# The kernels as PyTorch calls them, on a GPU; on a CPU: TRITON_INTERPRET=1 make kernels-check ARGS=--tiny
kernels-check: $(VENV)/dev.done
	$(BIN)/python -m tests.plugins.gpu_check $(ARGS)

# What each kernel computes and moves: the table of docs/kernels.md.
cost: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.plugins.cost $(ARGS)

# tosa_edge/cuda/fit.cu to fit.ptx; needs NVRTC of CUDA 12.4, and no GPU.
fit-kernels: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.cuda.compile

# The TensorRT plugin, into build/plugin/, of the kernels in build/tosa.kernels: made if there are none, or for SM=...
# See docs/plugin.md.
# TENSORRT_INCLUDE_DIR=... where the headers are, if not in the system; the CUDA ones are Triton's unless CUDA_INCLUDE_DIR=...
plugin: $(VENV)/dev.done
	$(if $(SM),,test -f build/tosa.kernels ||) $(BIN)/python -m tosa_edge.plugins.aot $(if $(SM),--sm $(SM))
	$(BIN)/python -m tosa_edge.plugins.embed build/tosa.kernels -o build/plugin
	cmake -S plugins/tensorrt -B build/plugin $(if $(TENSORRT_INCLUDE_DIR),-DTENSORRT_INCLUDE_DIR=$(TENSORRT_INCLUDE_DIR)) \
		-DCUDA_INCLUDE_DIR=$(or $(CUDA_INCLUDE_DIR),$$($(BIN)/python -c "import triton.backends.nvidia as n; print(n.__path__[0])")/include)
	cmake --build build/plugin

# What travels to a GPU elsewhere, into build/gpu-pack/: see docs/hardware.md. SM=90 is which; TENSORRT_INCLUDE_DIRS=A:B
# names the headers of TensorRT that the plugin library is built for.
gpu-pack: $(VENV)/dev.done
	TENSORRT_INCLUDE_DIRS=$(TENSORRT_INCLUDE_DIRS) $(BIN)/python -m tests.gpu.pack $(if $(SM),--sm $(SM)) $(ARGS)

# Every kernel for every architecture, and what a GPU will be asked, walked through on the CPU from a bare copy of the tree.
test-long: $(VENV)/dev.done
	$(BIN)/python -m pytest -m long

# There: all that a GPU has to say, in eight minutes, with the Python that is there. ONLY="load cubins": those stages.
gpu-check:
	$(PYTHON) -m tests.gpu $(if $(ONLY),--only $(ONLY)) $(ARGS)

# Labelled pictures of rooms. ARGS="--out shards --frames 20000"; every program here says with ARGS=--help what it takes.
render: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.training.render $(ARGS)

# A labelled set of single things, for classifiers. ARGS="--out things --assets DIR"
objects: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.training.render.objects $(ARGS)

# A linear classifier on an encoder. ARGS="--start dinov2_vits14_pretrain.pth --data things/train -o classifier.safetensors"
class-head: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.training.class_head $(ARGS)

# What skipping tokens costs. ARGS="--weights mine=my_model --data kitchen=DIR --shards held_out -o study.md"
study: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.training.study $(ARGS)

# How right depth is where it jumps. ARGS="my_model --shards held_out"
edges: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.training.study.edges $(ARGS)

# What tokens of an earlier frame cost. ARGS="--shards held_out"
token-age: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.training.study.token_age $(ARGS)

# Losses of a study and times of a bench on one picture. ARGS="--scores study.json --bench bench.json --point ... -o front.svg"
front: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.training.study.front $(ARGS)

# A model card's pictures. ARGS="my_model --shards held_out -o card.jpg"
card-pictures: $(VENV)/dev.done
	$(BIN)/python -m tosa_edge.training.study.card_pictures $(ARGS)

# The site, into build/site; it says where a link leads nowhere. To read it: python3 -m http.server -d build/site
docs: $(VENV)/docs.done
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# What NumPy's OpenBLAS takes this processor for.
blas: $(VENV)/core.done
	$(BIN)/python -m tests.plugins.blas

$(VENV)/core.done: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/docs.done: $(VENV)/core.done
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	touch $@

$(VENV)/dev.done: $(VENV)/core.done
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	# It asks for a torchvision, and there is none for torch's CPU build: the tests do without.
	$(BIN)/python -m pip install --quiet --no-deps timm==1.0.31
	touch $@

# On aarch64 OpenCV is the system's, compiled for NumPy 1: docs/jetson.md.
$(CORE)/core.done: setup.py
	$(PYTHON) -m venv $(if $(AARCH64),--system-site-packages) $(CORE)
	$(CORE)/bin/python -m pip install --quiet -e . pytest $(if $(AARCH64),'numpy<2')
	touch $@

clean:
	rm -rf $(VENV) demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
