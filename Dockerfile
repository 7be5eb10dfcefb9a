# Two targets: `app` (HTTP, without torch) and `worker` (the device and the models).
#   docker build --target app    -t safelight-app .
#   docker build --target worker -t safelight-worker .
# Both run as nobody in particular and write to /data and /tmp alone, so that the root can be read-only:
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges …

FROM python:3.11-slim AS foundation
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    SAFELIGHT_HOME=/data
WORKDIR /safelight
RUN useradd --create-home --uid 10001 safelight \
    && mkdir /data \
    && chown safelight /data
COPY requirements/ requirements/
COPY contract/ contract/
COPY models.toml ./

FROM foundation AS app
RUN pip install -r requirements/app.txt -r requirements/tracing.txt
COPY safelight/ safelight/
COPY app/ app/
USER 10001
ENV SAFELIGHT_HOST=0.0.0.0 SAFELIGHT_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["python", "-m", "app"]

FROM foundation AS worker
# Where plain pip would bring CUDA and the machine has none, build with
#   --build-arg PIP_EXTRA_INDEX_URL=<the address of PyTorch's CPU wheels>
ARG PIP_EXTRA_INDEX_URL=
RUN pip install -r requirements/worker.txt -r requirements/tracing.txt \
    && pip install --no-deps -r requirements/without-dependencies.txt
COPY models/ models/
COPY worker/ worker/
USER 10001
ENV OMP_WAIT_POLICY=PASSIVE \
    HF_HOME=/data/huggingface \
    XDG_CACHE_HOME=/data/cache
CMD ["python", "-m", "worker"]
