//! The web side as a client sees it, hostile ones included.
#![allow(clippy::unwrap_used)]

use m5_agent::web::{Access, Bytes, Server, Source, WebError, WebOptions, serve};
use m5_report::metrics::Format;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

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

fn start(access: Access) -> Server {
    let options = WebOptions { listen: "127.0.0.1:0".parse().unwrap(), access, tls: None, insecure: false };
    serve(&options, Arc::new(Fixed)).unwrap()
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
    let options = WebOptions { listen, access: Access::default(), tls: None, insecure: false };
    assert!(matches!(serve(&options, Arc::new(Fixed)), Err(WebError::Access(_))));
}
