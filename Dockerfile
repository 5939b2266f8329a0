# The images of the four programs, a target each:
#
#   docker build --target operator|serving|drift-sidecar|aggregator -t NAME .
#
# BASE      any image whose `python3` is 3.11 or newer and has the venv module
# SERVING   extras that `serving` installs: --build-arg SERVING=serving,xgboost,s3
# VERSION   of Tidegauge, for the label; that of tidegauge/__about__.py
# REVISION  of the sources, for the label: --build-arg REVISION=$(git rev-parse HEAD)
# Where there is no package index: --build-context wheels=FOLDER --build-arg PIP_NO_INDEX=1
ARG BASE=docker.io/library/python:3.11-slim-bookworm
ARG VERSION=0.2.0

# A build context of this name takes its place.
FROM scratch AS wheels

# --- what builds, and stays out of the images ----------------------------------------------------------
FROM ${BASE} AS tools
RUN python3 -m venv /tools
COPY constraints.txt pyproject.toml images/install.py /tools/

FROM tools AS build
ARG PIP_NO_INDEX
WORKDIR /src
COPY LICENSE README.md pyproject.toml ./
COPY aggregator aggregator
COPY drift_sidecar drift_sidecar
COPY operator operator
COPY serving serving
COPY tidegauge tidegauge
RUN --mount=type=bind,from=wheels,target=/wheels \
    /tools/bin/pip wheel --quiet --no-deps --find-links /wheels --wheel-dir /dist .

FROM scratch AS distribution
COPY --from=build /dist /

# --- what images share, a layer each -------------------------------------------------------------------
FROM ${BASE} AS runtime
# One thread for the linear algebra: the programs do little of it, and a pool of one per core costs memory.
ENV PATH=/opt/tidegauge/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1
LABEL org.opencontainers.image.vendor="Tidegauge" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN python3 -m venv --without-pip /opt/tidegauge
WORKDIR /

FROM runtime AS counting
ARG PIP_NO_INDEX
RUN --mount=type=bind,from=tools,source=/tools,target=/tools --mount=type=bind,from=wheels,target=/wheels \
    /tools/bin/python /tools/install.py numpy --import numpy

FROM counting AS statistics
ARG PIP_NO_INDEX
RUN --mount=type=bind,from=tools,source=/tools,target=/tools --mount=type=bind,from=wheels,target=/wheels \
    /tools/bin/python /tools/install.py scipy --import scipy.special

# --- the programs: what each needs, then itself --------------------------------------------------------
# The library's requirements that a program never imports stay out ([tool.importlinter] in pyproject.toml).
FROM runtime AS operator
ARG PIP_NO_INDEX
RUN --mount=type=bind,from=tools,source=/tools,target=/tools --mount=type=bind,from=wheels,target=/wheels \
    /tools/bin/python /tools/install.py '.[operator]' --without numpy scipy --import kopf kubernetes.aio.client
ARG REVISION=unknown
ARG VERSION
RUN --mount=type=bind,from=tools,source=/tools,target=/tools --mount=type=bind,from=distribution,target=/dist \
    /tools/bin/python /tools/install.py /dist/*.whl --import tidegauge_operator.__main__
USER 65532:65532
EXPOSE 8082
ENTRYPOINT ["python", "-m", "tidegauge_operator"]
LABEL org.opencontainers.image.title="tidegauge-operator" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.description="Keeps every DriftMonitoredModel of a cluster as its spec says."

FROM statistics AS serving
# Importing it is enough for onnxruntime to write a device's name, here into the image.
ENV ORT_DISABLE_TELEMETRY=1
ARG PIP_NO_INDEX
ARG SERVING=serving
RUN --mount=type=bind,from=tools,source=/tools,target=/tools --mount=type=bind,from=wheels,target=/wheels \
    /tools/bin/python /tools/install.py ".[${SERVING}]" --import onnxruntime skops.io sklearn.ensemble uvloop \
    fastapi pydantic.v1 pydantic.dataclasses uvicorn.lifespan.off uvicorn.protocols.http.httptools_impl
ARG REVISION=unknown
ARG VERSION
RUN --mount=type=bind,from=tools,source=/tools,target=/tools --mount=type=bind,from=distribution,target=/dist \
    /tools/bin/python /tools/install.py /dist/*.whl --import tidegauge_serving.__main__ tidegauge_serving.http.app \
    tidegauge_serving.models.onnx tidegauge_serving.models.sklearn tidegauge_serving.storage tidegauge.profile.document urllib.request
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "tidegauge_serving"]
LABEL org.opencontainers.image.title="tidegauge-serving" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.description="Serves one model and logs every answered row."

FROM counting AS drift-sidecar
ARG PIP_NO_INDEX
RUN --mount=type=bind,from=tools,source=/tools,target=/tools --mount=type=bind,from=wheels,target=/wheels \
    /tools/bin/python /tools/install.py '.[sidecar]' --without scipy --import prometheus_client urllib3
ARG REVISION=unknown
ARG VERSION
RUN --mount=type=bind,from=tools,source=/tools,target=/tools --mount=type=bind,from=distribution,target=/dist \
    /tools/bin/python /tools/install.py /dist/*.whl --import tidegauge_sidecar.__main__ tidegauge.profile.document
USER 65532:65532
EXPOSE 8081
ENTRYPOINT ["python", "-m", "tidegauge_sidecar"]
LABEL org.opencontainers.image.title="tidegauge-drift-sidecar" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.description="Counts the rows of a model server and sends panes to the aggregator."

FROM statistics AS aggregator
ARG PIP_NO_INDEX
RUN --mount=type=bind,from=tools,source=/tools,target=/tools --mount=type=bind,from=wheels,target=/wheels \
    /tools/bin/python /tools/install.py '.[aggregator]' --import fastapi pydantic.v1 \
    uvicorn.lifespan.off uvicorn.protocols.http.httptools_impl uvloop
ARG REVISION=unknown
ARG VERSION
RUN --mount=type=bind,from=tools,source=/tools,target=/tools --mount=type=bind,from=distribution,target=/dist \
    /tools/bin/python /tools/install.py /dist/*.whl --import tidegauge_aggregator.__main__
USER 65532:65532
EXPOSE 8090
ENTRYPOINT ["python", "-m", "tidegauge_aggregator"]
LABEL org.opencontainers.image.title="tidegauge-aggregator" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.description="Merges the counts of all pods of a model into its drift verdict."
