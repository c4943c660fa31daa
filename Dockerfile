FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin relais

FROM debian:bookworm-slim
COPY --from=build /src/target/release/relais /usr/local/bin/relais
USER 10001
ENTRYPOINT ["relais"]
CMD ["serve", "--config", "/etc/relais/relais.toml"]
