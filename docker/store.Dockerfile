# moto's server as an S3 to try the endpoint with; see docker-compose.yml.
ARG BASE=docker.io/library/debian:bookworm-slim
FROM ${BASE}
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
COPY requirements/store.lock /tmp/store.lock
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/secrets/ca.crt \
    python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-deps --no-cache-dir --disable-pip-version-check \
      --only-binary :all: --require-hashes -r /tmp/store.lock
USER 1000
EXPOSE 5000
ENTRYPOINT ["/opt/venv/bin/moto_server", "--host", "0.0.0.0", "--port", "5000"]
