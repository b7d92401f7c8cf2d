//! The HTTP server: one thread, few routes, bounds on size, time and count.

use super::bounds::Bounded;
use super::hosts::{AllowedHost, Foreign, Hosts};
use super::{Access, AccessError, Bounds};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_server::Handle;
use axum_server::accept::DefaultAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use m5_report::metrics::{CONTENT_TYPE_OPENMETRICS, CONTENT_TYPE_TEXT, Format};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

/// Largest request body; nothing that m5 serves takes one.
const MAX_BODY: usize = 1024;
/// Bytes of the head of a request, and lines in it.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// Longest time for one request.
const MAX_TIME: Duration = Duration::from_secs(10);

/// What whoever asks for another host is told.
const FOREIGN: &str = "m5 answers to its address and to localhost with its port; other names are given with --allowed-host NAME\n";

/// Longest time for which a request waits for what is being made, and the time between two looks whether it is.
const MAKING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(2);

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The exposition.
    Metrics {
        /// In this format,
        format: Format,
        /// packed with gzip.
        packed: bool,
    },
    /// The values behind the page.
    Data,
}

/// What the pages and scrapes show. Every call returns at once: a sampler fills, a request reads.
pub trait Source: Send + Sync + 'static {
    /// Whether something is still to be made, and will be soon now that it is asked for.
    fn is_making(&self, _what: Wanted) -> bool {
        false
    }
    /// The exposition.
    fn metrics(&self, format: Format) -> Bytes;
    /// The same packed with gzip, where it lies ready; else the server packs it.
    fn packed_metrics(&self, _format: Format) -> Option<Bytes> {
        None
    }
    /// The page.
    fn page(&self) -> String;
    /// The values behind the page, JSON; `None` where there is no such thing.
    fn data(&self, what: &str) -> Option<Bytes>;
}

/// Certificate and key in PEM files.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Where and to whom to serve.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// The address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// By which names it may be asked, beside its address and those of loopback.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Who may read.
    pub access: Access,
    /// Encryption.
    pub tls: Option<Tls>,
    /// Serve beyond loopback without a secret or encryption.
    pub insecure: bool,
    /// Bounds on connections.
    pub bounds: Bounds,
}

/// Why serving failed.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The settings would open the door to everybody, or a secret could not be read.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The address could not be taken.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The certificate or key could not be used.
    #[error("cannot use {path}: {source}")]
    Tls {
        /// The certificate file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The server could not start.
    #[error("cannot start the web server: {0}")]
    Start(io::Error),
}

/// A running server; it ends with the value.
pub struct Server {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.graceful_shutdown(Some(Duration::from_millis(500)));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts serving on a thread of its own.
///
/// # Errors
/// As [`WebError`] says; nothing is left listening then.
pub fn serve(options: &WebOptions, source: Arc<dyn Source>) -> Result<Server, WebError> {
    let listen = options.listen;
    options.access.check(listen, options.tls.is_some(), options.insecure)?;
    let taken = |source| WebError::Listen { listen, source };
    let listener = TcpListener::bind(listen).map_err(taken)?;
    listener.set_nonblocking(true).map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(WebError::Start)?;
    let tls = match &options.tls {
        None => None,
        Some(files) => {
            let load = RustlsConfig::from_pem_file(&files.cert, &files.key);
            let path = files.cert.clone();
            Some(runtime.block_on(load).map_err(|source| WebError::Tls { path, source })?)
        }
    };
    let hosts = Hosts::new(address, tls.is_some(), &options.allowed_hosts);
    let app = router(Door { hosts, access: options.access.clone() }, source).into_make_service();
    let handle = Handle::new();
    let (inner, bounds) = (handle.clone(), options.bounds);
    let run = move || {
        let _ = runtime.block_on(async move {
            let server = bounded(axum_server::from_tcp(listener)?, &inner, bounds);
            match tls {
                Some(config) => {
                    let rustls = RustlsAcceptor::new(config).handshake_timeout(bounds.patience);
                    server.acceptor(Bounded { inner: rustls, handle: inner, bounds }).serve(app).await
                }
                None => {
                    let plain = DefaultAcceptor::new();
                    server.acceptor(Bounded { inner: plain, handle: inner, bounds }).serve(app).await
                }
            }
        });
    };
    let thread = thread::Builder::new().name("m5-web".into()).spawn(run).map_err(WebError::Start)?;
    Ok(Server { address, handle, thread: Some(thread) })
}

/// HTTP/1 alone, with short heads that come soon.
fn bounded(
    server: axum_server::Server<SocketAddr>,
    handle: &Handle<SocketAddr>,
    bounds: Bounds,
) -> axum_server::Server<SocketAddr> {
    let mut server = server.handle(handle.clone()).first_request_timeout(bounds.patience).http1_only();
    server
        .http_builder()
        .http1()
        .header_read_timeout(bounds.patience * 3)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD);
    server
}

/// What a request has to pass.
struct Door {
    hosts: Hosts,
    access: Access,
}

fn router(door: Door, source: Arc<dyn Source>) -> Router {
    let guarded = middleware::from_fn_with_state(Arc::new(door), guard);
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/data/{what}", get(data))
        .layer(guarded)
        .route("/healthz", get(async || "ok\n"))
        .with_state(source)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, MAX_TIME))
}

async fn guard(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    match door.hosts.check(request.uri(), request.headers()) {
        Ok(()) => {}
        Err(Foreign::Unnamed) => return (StatusCode::BAD_REQUEST, "name one Host\n").into_response(),
        Err(Foreign::Other) => return (StatusCode::MISDIRECTED_REQUEST, FOREIGN).into_response(),
    }
    let given = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    if door.access.permits(given) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"m5\", Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, "a token or a password is needed\n").into_response()
}

async fn page(State(source): State<Arc<dyn Source>>) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:";
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
    (headers, source.page()).into_response()
}

async fn metrics(State(source): State<Arc<dyn Source>>, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|v: &HeaderValue| v.to_str().ok()).unwrap_or("");
    let open = accepts.contains("application/openmetrics-text");
    let (format, kind) = if open {
        (Format::OpenMetrics, CONTENT_TYPE_OPENMETRICS)
    } else {
        (Format::Text, CONTENT_TYPE_TEXT)
    };
    let packed = takes_gzip(&headers);
    if !made(&source, Wanted::Metrics { format, packed }).await {
        return not_made();
    }
    if packed && let Some(packed) = source.packed_metrics(format) {
        let heads = [(header::CONTENT_TYPE, kind), (header::CONTENT_ENCODING, "gzip")];
        return (heads, packed).into_response();
    }
    ([(header::CONTENT_TYPE, kind)], source.metrics(format)).into_response()
}

/// Waits until something is there; false where it is not in time.
async fn made(source: &Arc<dyn Source>, what: Wanted) -> bool {
    let begin = tokio::time::Instant::now();
    while source.is_making(what) {
        if begin.elapsed() >= MAKING {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

fn not_made() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "m5 is busy: ask again in a while\n").into_response()
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|v: &HeaderValue| v.to_str().ok());
    let refused = |word: &str| word.replace(' ', "").ends_with("q=0");
    accepts.is_some_and(|all| all.split(',').any(|word| word.trim().starts_with("gzip") && !refused(word)))
}

async fn data(State(source): State<Arc<dyn Source>>, Path(what): Path<String>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    if !made(&source, Wanted::Data).await {
        return not_made();
    }
    source.data(&what).map_or_else(
        || (StatusCode::NOT_FOUND, "no such thing\n").into_response(),
        |json| (headers, json).into_response(),
    )
}
