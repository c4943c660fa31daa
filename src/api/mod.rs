//! HTTP: health, readiness and metrics. Thin handlers over the same functions as the command line.

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use std::future::Future;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Answers whether Relais can take work right now; `Err` names what is missing, without patient data.
pub type Ready =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What the handlers need.
#[derive(Clone)]
pub struct ApiState {
    pub metrics: PrometheusHandle,
    pub ready: Ready,
    /// Required as `Authorization: Bearer` on everything but the health checks; `None` only on loopback.
    pub token: Option<Arc<str>>,
}

/// Serves on a bound listener until the handle stops it. Two workers: this is a window, not the way of the data.
pub fn serve(listener: TcpListener, state: ApiState) -> std::io::Result<ServerHandle> {
    let state = web::Data::new(state);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .route("/health/live", web::get().to(live))
            .route("/health/ready", web::get().to(ready))
            .route("/metrics", web::get().to(prometheus))
            .default_service(web::to(not_found))
    })
    .workers(2)
    .max_connections(256)
    .client_request_timeout(Duration::from_secs(10))
    .shutdown_timeout(5)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server stopped");
        }
    });
    Ok(handle)
}

/// RFC 9457 problem details.
fn problem(status: actix_web::http::StatusCode, title: &str, detail: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/problem+json")
        .body(
            serde_json::json!({ "title": title, "status": status.as_u16(), "detail": detail })
                .to_string(),
        )
}

async fn live() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("live\n")
}

async fn ready(state: web::Data<ApiState>) -> HttpResponse {
    match (state.ready)().await {
        Ok(()) => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body("ready\n"),
        Err(why) => problem(
            actix_web::http::StatusCode::SERVICE_UNAVAILABLE,
            "not ready",
            &why,
        ),
    }
}

async fn prometheus(request: HttpRequest, state: web::Data<ApiState>) -> HttpResponse {
    if !is_allowed(&request, state.token.as_deref()) {
        let text = "send the token of [http] token_file as Authorization: Bearer";
        return problem(
            actix_web::http::StatusCode::UNAUTHORIZED,
            "token required",
            text,
        );
    }
    state.metrics.run_upkeep();
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(state.metrics.render())
}

async fn not_found() -> HttpResponse {
    let known = "known paths: /health/live, /health/ready, /metrics";
    problem(
        actix_web::http::StatusCode::NOT_FOUND,
        "no such path",
        known,
    )
}

fn is_allowed(request: &HttpRequest, token: Option<&str>) -> bool {
    let Some(token) = token else { return true };
    let sent = request
        .headers()
        .get("authorization")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "));
    // Compared without an early exit, so that the time does not tell how much was right.
    sent.is_some_and(|s| {
        s.len() == token.len()
            && s.bytes()
                .zip(token.bytes())
                .fold(0, |acc, (a, b)| acc | (a ^ b))
                == 0
    })
}
