//! The web side as a client sees it, hostile ones included.
#![allow(clippy::unwrap_used)]

use m5_agent::web::{Access, Bounds, Bytes, Server, Source, Tls, WebError, WebOptions, serve};
use m5_report::metrics::Format;
use proptest::prelude::*;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

struct Fixed;

impl Source for Fixed {
    fn metrics(&self, format: Format) -> Bytes {
        format!("{format:?}\n").repeat(200).into()
    }

    fn page(&self) -> String {
        "<!doctype html><p>m5".into()
    }

    fn data(&self, what: &str) -> Option<Bytes> {
        (what == "processes").then(|| "[]".into())
    }
}

fn options(access: Access) -> WebOptions {
    let listen = "127.0.0.1:0".parse().unwrap();
    let allowed_hosts = vec!["m5".parse().unwrap()];
    WebOptions { listen, allowed_hosts, access, tls: None, insecure: false, bounds: Bounds::default() }
}

fn start(access: Access) -> Server {
    serve(&options(access), Arc::new(Fixed)).unwrap()
}

fn ask(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    // A refused request may be answered, and the connection closed, before it is written in whole.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: m5\r\nConnection: close\r\n{headers}\r\n")
}

#[test]
fn serves_both_formats_the_page_and_the_data() {
    let server = start(Access::default());
    let plain = ask(&server, &get("/metrics", ""));
    assert!(
        plain.starts_with("HTTP/1.1 200") && plain.contains("version=0.0.4") && plain.contains("\nText\n")
    );
    let open = ask(&server, &get("/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n"));
    assert!(open.contains("OpenMetrics\n"));
    let packed = ask(&server, &get("/metrics", "Accept-Encoding: gzip\r\n"));
    assert!(packed.to_lowercase().contains("content-encoding: gzip") && packed.len() < 600);
    assert!(
        ask(&server, &get("/", "")).to_lowercase().contains("content-security-policy: default-src 'none'")
    );
    assert!(ask(&server, &get("/data/processes", "")).ends_with("[]"));
    assert!(ask(&server, &get("/data/nothing", "")).starts_with("HTTP/1.1 404"));
    assert!(ask(&server, &get("/nothing", "")).starts_with("HTTP/1.1 404"));
}

#[test]
fn a_page_of_elsewhere_reads_nothing() {
    let server =
        serve(&WebOptions { allowed_hosts: Vec::new(), ..options(Access::default()) }, Arc::new(Fixed));
    let server = server.unwrap();
    let port = server.address().port();
    let status = |path: &str, hosts: &str| {
        let answer = ask(&server, &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{hosts}\r\n"));
        answer.split(' ').nth(1).map(str::to_owned).unwrap_or_default()
    };
    for own in ["127.0.0.1", "localhost", "[::1]"] {
        assert_eq!(status("/data/processes", &format!("Host: {own}:{port}\r\n")), "200", "{own}");
    }
    for path in ["/", "/metrics", "/data/processes", "/nothing"] {
        assert_eq!(status(path, &format!("Host: evil.example:{port}\r\n")), "421", "{path}");
    }
    assert_eq!(status("/metrics", "Host: localhost\r\n"), "421");
    assert_eq!(
        status(&format!("http://evil.example:{port}/metrics"), &format!("Host: localhost:{port}\r\n")),
        "421"
    );
    assert_eq!(status("/metrics", ""), "400");
    assert_eq!(status("/metrics", &format!("Host: localhost:{port}\r\nHost: evil.example\r\n")), "400");
    assert!(ask(&server, &get("/", "")).contains("--allowed-host"), "the answer says what to do");
    assert_eq!(status("/healthz", "Host: anything\r\n"), "200");
}

#[test]
fn a_secret_is_asked_for_and_health_is_not_secret() {
    let dir = std::env::temp_dir().join(format!("m5-web-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("token"), "s3cret\n").unwrap();
    let server = start(Access::from_files(Some(&dir.join("token")), None).unwrap());
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(ask(&server, &get("/metrics", "")).starts_with("HTTP/1.1 401"));
    assert!(ask(&server, &get("/metrics", "Authorization: Bearer nope\r\n")).starts_with("HTTP/1.1 401"));
    assert!(ask(&server, &get("/metrics", "Authorization: Bearer s3cret\r\n")).starts_with("HTTP/1.1 200"));
    assert!(ask(&server, &get("/healthz", "")).starts_with("HTTP/1.1 200"));
}

#[test]
fn hostile_requests_are_refused_and_the_server_goes_on() {
    let server = start(Access::default());
    let head = "POST /metrics HTTP/1.1\r\nHost: m5\r\nConnection: close\r\nContent-Length: 999999\r\n\r\n";
    assert!(!ask(&server, head).starts_with("HTTP/1.1 200"));
    assert!(ask(&server, "\0\0\0 nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    let long = get(&format!("/{}", "a".repeat(1 << 20)), "");
    assert!(!ask(&server, &long).starts_with("HTTP/1.1 200"));
    assert!(ask(&server, &get("/metrics", "")).starts_with("HTTP/1.1 200"));
}

#[test]
fn an_open_door_is_refused() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let open = WebOptions { listen, ..options(Access::default()) };
    assert!(matches!(serve(&open, Arc::new(Fixed)), Err(WebError::Access(_))));
}

/// A certificate for 127.0.0.1 that nobody but this test trusts.
fn certificate(dir: &Path) -> (Tls, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let tls = Tls { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    std::fs::write(&tls.cert, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    (tls, made.cert.pem())
}

fn client(pem: Option<&str>) -> ureq::Agent {
    let roots = pem.map_or(ureq::tls::RootCerts::WebPki, |pem| {
        let trusted = ureq::tls::Certificate::from_pem(pem.as_bytes()).unwrap();
        ureq::tls::RootCerts::Specific(Arc::new(vec![trusted]))
    });
    let tls = ureq::tls::TlsConfig::builder().root_certs(roots).build();
    let config = ureq::Agent::config_builder().tls_config(tls).http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(30))).build().into()
}

#[test]
fn beyond_loopback_with_encryption_and_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let (tls, pem) = certificate(dir.path());
    std::fs::write(dir.path().join("token"), "s3cret\n").unwrap();
    std::fs::write(dir.path().join("users"), "reader:pa:ss\n").unwrap();
    let access =
        Access::from_files(Some(&dir.path().join("token")), Some(&dir.path().join("users"))).unwrap();
    let listen = "0.0.0.0:0".parse().unwrap();
    let server = serve(&WebOptions { listen, tls: Some(tls), ..options(access) }, Arc::new(Fixed)).unwrap();
    let (port, trusting) = (server.address().port(), client(Some(&pem)));
    let ask = |header: Option<&str>| {
        let request = trusting.get(format!("https://127.0.0.1:{port}/metrics"));
        let request = header.into_iter().fold(request, |r, h| r.header("Authorization", h));
        request.call().unwrap().status().as_u16()
    };
    assert_eq!((ask(None), ask(Some("Bearer nope")), ask(Some("Bearer s3cret"))), (401, 401, 200));
    // reader:pa:ss, and the same with another password.
    assert_eq!((ask(Some("Basic cmVhZGVyOnBhOnNz")), ask(Some("Basic cmVhZGVyOm5v"))), (200, 401));
    // Who does not trust the certificate gets nothing, and neither does who speaks in clear.
    assert!(client(None).get(format!("https://127.0.0.1:{port}/healthz")).call().is_err());
    let mut clear = TcpStream::connect(("127.0.0.1", port)).unwrap();
    clear.write_all(get("/healthz", "").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = clear.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"));
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (tls, _) = certificate(dir.path());
    std::fs::write(&tls.key, "no key").unwrap();
    let refused = serve(&WebOptions { tls: Some(tls), ..options(Access::default()) }, Arc::new(Fixed));
    assert!(matches!(refused, Err(WebError::Tls { .. })));
}

#[test]
fn heads_are_bounded_in_bytes_and_lines() {
    let server = start(Access::default());
    let lines = "X-A: b\r\n".repeat(1000);
    assert!(!ask(&server, &get("/metrics", &lines)).starts_with("HTTP/1.1 200"));
    let long = format!("X-A: {}\r\n", "b".repeat(1 << 20));
    assert!(!ask(&server, &get("/metrics", &long)).starts_with("HTTP/1.1 200"));
    assert!(ask(&server, &get("/metrics", "")).starts_with("HTTP/1.1 200"));
}

#[test]
fn who_says_nothing_or_never_reads_is_sent_away() {
    let bounds = Bounds { connections: 64, patience: Duration::from_millis(300) };
    let server = serve(&WebOptions { bounds, ..options(Access::default()) }, Arc::new(Fixed)).unwrap();
    let open = || TcpStream::connect(server.address()).unwrap();
    let mut slow: Vec<TcpStream> = (0..200).map(|_| open()).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: m5\r\nX-Slow: ");
    }
    // Asks for far more than the sockets hold, and reads none of it.
    let mut deaf = open();
    let many = get("/metrics", "").replace("Connection: close\r\n", "").repeat(20_000);
    deaf.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    let _ = deaf.write_all(many.as_bytes());
    // Every one of them is closed by the server, sooner or later; then there is room.
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(!matches!(ended, Err(e) if e.kind() == ErrorKind::WouldBlock), "still open");
    }
    assert!(ask(&server, &get("/metrics", "")).starts_with("HTTP/1.1 200"));
}

#[test]
fn ten_thousand_requests_are_answered() {
    let server = start(Access::default());
    let request = get("/healthz", "").replace("Connection: close\r\n", "");
    let threads: Vec<_> = (0..10)
        .map(|_| {
            let (address, request) = (server.address(), request.clone());
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                let mut answers = BufReader::new(stream.try_clone().unwrap());
                let mut good = 0;
                for _ in 0..1000 {
                    stream.write_all(request.as_bytes()).unwrap();
                    let mut line = String::new();
                    while answers.read_line(&mut line).unwrap() > 0 && !line.ends_with("ok\n") {}
                    good += usize::from(line.starts_with("HTTP/1.1 200"));
                }
                good
            })
        })
        .collect();
    let good: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    assert_eq!(good, 10_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is sent, nobody but a proper request is answered with 200, and the next one is served.
    #[test]
    fn any_bytes_leave_it_serving(
        noise in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..60, method in "[A-Z]{0,8}", path in "\\PC{0,40}",
    ) {
        let server = SERVER.get_or_init(|| start(token()));
        let mut mangled = get("/metrics", "Authorization: Bearer s3cre\r\n").into_bytes();
        let at = at.min(mangled.len());
        mangled.splice(at..at, noise.iter().copied());
        for bytes in [noise, mangled, format!("{method} {path} HTTP/1.1\r\nHost: m5\r\n\r\n").into_bytes()] {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let text = String::from_utf8_lossy(&answer);
            prop_assert!(!text.contains("Text\n"), "{text}");
        }
        prop_assert!(ask(server, &get("/metrics", "Authorization: Bearer s3cret\r\n")).starts_with("HTTP/1.1 200"));
    }
}

static SERVER: std::sync::OnceLock<Server> = std::sync::OnceLock::new();

fn token() -> Access {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "s3cret").unwrap();
    Access::from_files(Some(&dir.path().join("token")), None).unwrap()
}
