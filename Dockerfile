# Two images: the gateway's, without PyTorch, and that of the roles that run the model.
#   docker build --target gateway --tag mvstylizer-gateway .
#   docker build --target worker --tag mvstylizer-worker .
# What is installed is in pyproject.toml. It is a layer of its own, which changes only with that file.
ARG PYTHON=python:3.12-slim

FROM ${PYTHON} AS builder
ENV XDG_CACHE_HOME=/cache
RUN --mount=type=cache,target=/cache pip install uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/venv
WORKDIR /build

FROM builder AS gateway-packages
COPY pyproject.toml ./
RUN --mount=type=cache,target=/cache uv sync --quiet --no-install-project --no-default-groups

FROM builder AS worker-packages
COPY pyproject.toml ./
RUN --mount=type=cache,target=/cache uv sync --quiet --no-install-project --no-default-groups --extra edge --extra cloud

FROM builder AS sources
COPY . .
RUN --mount=type=cache,target=/cache uv pip install --quiet --no-deps --target /app .

FROM ${PYTHON} AS role
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app MVS_LIFE_FILE=/tmp/alive MVS_MODELS_DIR=/tmp/models HOME=/tmp
RUN install -d -o 10001 -g 10001 /models
# A number, because Kubernetes can then see that it is not root.
USER 10001:10001
# Each role touches this file while it works; a trainer on a busy machine may be late.
HEALTHCHECK --interval=10s --start-period=120s CMD find /tmp/alive -mmin -5 | grep -q .
ENTRYPOINT ["python", "-P", "-m", "workers"]

FROM role AS gateway
COPY --from=gateway-packages /venv /venv
COPY --from=sources /app /app
CMD ["gateway"]

# PyTorch's own packages bring what a GPU needs.
FROM role AS worker
ENV OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=1
COPY --from=worker-packages /venv /venv
COPY --from=sources /app /app
CMD ["stylize"]
