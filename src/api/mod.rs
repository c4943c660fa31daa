//! HTTP: the window into the record, the queues and the evidence, and the corrections of operators. Thin handlers over the same
//! functions as the ports and the command line.
//!
//! [`routes::ROUTES`] declares every path; [`gate`] is the way of every request. Patient data leaves only with a token, and after the
//! audit row is on the disk. No CORS: a page of another origin has no business here.

pub mod access;
mod answers;
mod corrections;
mod events;
mod gate;
mod json;
mod mapping;
mod messages;
mod openapi;
pub mod params;
pub mod problem;
mod queues;
mod records;
mod routes;
mod schema;
mod system;
mod trail;
mod worklist;

use crate::clock::{Clock, Minter};
use crate::config::Config;
use crate::corrections::Corrections;
use crate::mappings::Mappings;
use crate::mappings::reload::Reloader;
use crate::store::Store;
use crate::workflow::Workflow;
use crate::worklist::seen::Worklist;
use access::{Attempts, Tokens};
use actix_web::dev::ServerHandle;
use actix_web::middleware::DefaultHeaders;
use actix_web::{App, HttpRequest, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use routes::{Method, ROUTES, Route};
use std::future::Future;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// No request has a body; one of so many bytes is still read to be refused properly.
const BODY: usize = 64 << 10;

/// Answers whether Relais can take work right now, with what an operator must know all the same; `Err` names what is missing. Without
/// patient data.
pub type Ready = Arc<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send>> + Send + Sync,
>;

/// What the handlers need.
#[derive(Clone)]
pub struct ApiState {
    pub metrics: PrometheusHandle,
    pub ready: Ready,
    /// `None` if no file of tokens is configured: then only what holds no patient data is served.
    pub tokens: Option<Arc<Tokens>>,
    pub attempts: Arc<Attempts>,
    /// True while HTTP listens on a loopback address.
    pub loopback: bool,
    pub config: Arc<Config>,
    pub mappings: Arc<Mappings>,
    pub reloader: Arc<Reloader>,
    pub store: Store,
    pub worklist: Arc<Worklist>,
    pub workflow: Workflow,
    pub corrections: Corrections,
    pub clock: Clock,
    pub minter: Minter,
    /// Streams of events that may still be opened.
    pub streams: Arc<Semaphore>,
    /// Ends the streams.
    pub stop: CancellationToken,
    /// Where streams are fed: not on the threads that serve requests.
    pub runtime: tokio::runtime::Handle,
}

impl ApiState {
    /// Streams that may be open at one time.
    pub fn streams() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(events::STREAMS))
    }
}

/// A second handle of a connection's socket, to end it from outside.
#[derive(Clone)]
pub struct Cut(Arc<TcpStream>);

impl Cut {
    /// Ends the connection.
    pub fn now(&self) {
        // A socket that is gone already needs no end.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Serves on a bound listener until the handle stops it. Two workers: this is a window, not the way of the data.
pub fn serve(listener: TcpListener, state: ApiState) -> std::io::Result<ServerHandle> {
    let state = web::Data::new(state);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(web::PayloadConfig::new(BODY))
            .wrap(security_headers())
            .configure(resources)
            .default_service(web::to(async |request: HttpRequest| {
                gate::unserved(&request, None)
            }))
    })
    .workers(2)
    .max_connections(256)
    .client_request_timeout(Duration::from_secs(10))
    .shutdown_timeout(5)
    .disable_signals()
    .on_connect(|connection, data| {
        let socket = connection.downcast_ref::<actix_web::rt::net::TcpStream>();
        let copy = socket.and_then(|s| s.as_fd().try_clone_to_owned().ok());
        if let Some(copy) = copy {
            data.insert(Cut(Arc::new(copy.into())));
        }
    })
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

/// Nothing is cached, framed, sniffed or loaded from elsewhere; a page that needs more says so itself.
fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("cache-control", "no-store"))
        .add((
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .add(("x-content-type-options", "nosniff"))
        .add(("x-frame-options", "DENY"))
        .add(("referrer-policy", "no-referrer"))
        .add(("cross-origin-resource-policy", "same-origin"))
}

/// One resource a path, with all its methods.
fn resources(config: &mut web::ServiceConfig) {
    let mut paths: Vec<&str> = ROUTES.iter().map(|r| r.path).collect();
    paths.dedup();
    for path in paths {
        let of_path: Vec<&'static Route> = ROUTES.iter().filter(|r| r.path == path).collect();
        let mut resource = web::resource(path);
        let mut methods = vec![];
        for route in of_path {
            let (name, matching) = match route.method {
                Method::Get => ("GET", web::get()),
                Method::Post => ("POST", web::post()),
            };
            methods.push(name);
            resource = resource.route(matching.to(
                move |request: HttpRequest,
                      body: Result<web::Bytes, actix_web::Error>,
                      state: web::Data<ApiState>| {
                    gate::pass(route, request, body, state)
                },
            ));
        }
        let methods = methods.join(", ");
        config.service(
            resource.default_service(web::to(move |request: HttpRequest| {
                let answer = gate::unserved(&request, Some(methods.clone()));
                async move { answer }
            })),
        );
    }
}
