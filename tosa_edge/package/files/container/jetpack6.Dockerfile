# JetPack 6.2: Orin, TensorRT 10.3. Build it on the board. README.md says what has to lie in wheels/.
# Packages of Ubuntu are as new as the day: its archive keeps no older ones to pin.
FROM nvcr.io/nvidia/l4t-tensorrt:r10.3.0-runtime AS base
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        python3-opencv python3-venv \
    && rm -rf /var/lib/apt/lists/*

FROM base AS build
WORKDIR /build
COPY requirements-jetpack6.txt ./
COPY wheels/ wheels/
RUN python3 -m venv --system-site-packages /opt/tosa-edge \
    && /opt/tosa-edge/bin/python -m pip install --no-cache-dir --no-deps --find-links wheels \
        --requirement requirements-jetpack6.txt wheels/tosa_edge-*.whl

FROM base
COPY --from=build /opt/tosa-edge /opt/tosa-edge
COPY model.onnx healthcheck /opt/tosa-edge/
RUN useradd --system --uid 10001 --groups video --create-home --home-dir /var/lib/tosa-edge tosa-edge
ENV PATH=/opt/tosa-edge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=all
USER 10001
WORKDIR /var/lib/tosa-edge
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "/opt/tosa-edge/healthcheck"]
ENTRYPOINT ["tosa-edge"]
CMD ["run", "test://", "--model", "/opt/tosa-edge/model.onnx", "--serve"]
