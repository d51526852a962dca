# One image for every process; the command says which (see docker-compose.yml).

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
COPY requirements /tmp/requirements
# By option, --build-arg EXTRAS="s3 tracing": snapshots in S3, traces.
ARG EXTRAS=""
RUN for part in base $EXTRAS; do \
    /venv/bin/pip install --require-hashes --no-deps -r "/tmp/requirements/$part.txt" || exit 1; done

FROM python:3.11-slim-bookworm
# OpenMP, for scikit-learn and implicit.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin raya_recs \
    && mkdir -p /app/var && chown raya_recs /app/var
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=raya_recs.settings.production VAR_DIR=/app/var NUMBA_CACHE_DIR=/app/var/numba \
    METRICS_DIR=/tmp/raya_recs-metrics \
    HEALTH_URL=http://127.0.0.1:8000/health/live
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
# Static files are part of the image; /app/var is a volume, so they lie beside it.
RUN SECRET_KEY=only-to-collect-static-files VAR_DIR=/app/collected \
    python manage.py collectstatic --no-input --verbosity 0
USER raya_recs
EXPOSE 8000 8001
VOLUME /app/var
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/app/raya_recs/healthcheck.py"]
CMD ["python", "-m", "raya_recs.serve", "--host", "0.0.0.0", "--workers", "2", \
     "--static", "/app/collected/static"]
