# The service as a container: one binary and the system's authorities. Built with the profile `dist`, which takes its time.

FROM rust:1-bookworm AS build
WORKDIR /handoff
COPY . .
# The caches keep crates and what they compile to between builds; what is to stay is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/handoff/target \
    cargo build --profile dist --locked && cp target/dist/handoff /usr/local/bin/handoff

FROM debian:bookworm-slim
# For `rediss://` with a certificate of a public authority.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local/bin/handoff /usr/local/bin/handoff
USER 65532:65532
EXPOSE 50051
# PID 1 gets SIGTERM and drains: give it `drain_timeout` (30 s) and a little more before it is killed.
ENTRYPOINT ["/usr/local/bin/handoff"]
CMD ["serve"]
