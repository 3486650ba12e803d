# A desktop GPU, by ONNX Runtime's CUDA provider: CUDA 13's libraries come from pip, the driver (580 or
# later) from the host, by NVIDIA's container toolkit. README.md says what has to lie in wheels/.
FROM python:3.13.14-slim-trixie AS build
WORKDIR /build
COPY requirements-cuda.txt ./
COPY wheels/ wheels/
RUN python -m venv /opt/tosa-edge \
    && /opt/tosa-edge/bin/python -m pip install --no-cache-dir --no-deps --find-links wheels \
        --requirement requirements-cuda.txt wheels/tosa_edge-*.whl \
    && /opt/tosa-edge/bin/python -m pip uninstall --yes pip

FROM python:3.13.14-slim-trixie
COPY --from=build /opt/tosa-edge /opt/tosa-edge
COPY model.onnx healthcheck /opt/tosa-edge/
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/tosa-edge tosa-edge
ENV PATH=/opt/tosa-edge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
WORKDIR /var/lib/tosa-edge
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "/opt/tosa-edge/healthcheck"]
ENTRYPOINT ["tosa-edge"]
CMD ["run", "test://", "--model", "/opt/tosa-edge/model.onnx", "--provider", "cuda", "--serve"]
