# docker build -t llama-router-exporter .
# Debian instead of Alpine: the NVIDIA runtime mounts the host's nvidia-smi, which needs glibc.
ARG NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
# Dependencies before the sources, for the layer cache.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tools/build.mjs tools/sbom.mjs ./tools/
COPY simulator ./simulator
COPY src ./src
RUN node tools/build.mjs

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="llama-router-exporter" \
      org.opencontainers.image.description="Prometheus exporter and operations service for llama.cpp's router mode" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
ENV NODE_ENV=production
# Memory that is not used goes back to the system: docs/performance.md, "Idle".
ENV NODE_OPTIONS="--max-semi-space-size=1 --max-old-space-size=1024" MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=131072
# For the state and audit files. A new volume inherits the owner.
RUN install -d -o 1000 -g 1000 -m 750 /var/lib/llama-router-exporter
WORKDIR /app
COPY LICENSE ./
COPY --from=build /build/dist ./
# A number, because Kubernetes cannot check that a name is not root.
USER 1000:1000
EXPOSE 10180
# For the default address without TLS; otherwise set another check when starting the container.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:10180/-/healthy').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/main.mjs"]
CMD ["serve"]
