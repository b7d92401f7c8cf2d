//! What a receiver gets, decoded, against what the process says of itself.
#![allow(clippy::unwrap_used, clippy::panic)]

use m5_agent::otlp::Pusher;
use m5_agent::pool::{Pool, PoolOptions, Selection};
use m5_process::Process;
use m5_testkit::{Target, pythons};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const PROGRAM: &str = "
import gc, os, sys
gc.disable()
print('ready', flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        gc.collect(2)
    print(gc.get_stats()[2]['collections'], len(os.listdir('/proc/self/fd')) - 1, flush=True)
";

/// A receiver that keeps what it gets: the first line with the headers, and the message.
fn receiver(answer: &'static str) -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            loop {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut head).unwrap_or(0) == 0 {
                        break;
                    }
                }
                let lower = head.to_lowercase();
                let Some(length) = lower.split("content-length: ").nth(1) else { break };
                let mut body = vec![0; length.lines().next().unwrap().trim().parse().unwrap()];
                stream.read_exact(&mut body).unwrap();
                let _ = write!(stream.get_mut(), "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
                if sender.send((head, body)).is_err() {
                    return;
                }
            }
        }
    });
    (address, requests)
}

fn pool(target: &Target) -> Pool {
    let identity = Process::open(target.pid()).unwrap().identity();
    let selection = Selection { processes: vec![identity], names: Vec::new() };
    let mut pool = Pool::new(PoolOptions { selection, max_overhead: Some(1.0), traced: 1, limit: None });
    pool.refresh();
    pool
}

fn integer(attributes: &[KeyValue], key: &str) -> Option<i64> {
    let value = attributes.iter().find(|a| a.key == key)?.value.clone()?.value?;
    if let any_value::Value::IntValue(n) = value { Some(n) } else { None }
}

/// Values of a sum by generation (0 where there is none), and whether it only rises.
fn sum(metrics: &[Metric], name: &str, unit: &str) -> (Vec<(i64, i64)>, bool) {
    let found = metrics.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("{name} is missing"));
    assert_eq!(found.unit, unit, "{name}");
    let Some(metric::Data::Sum(sum)) = &found.data else { panic!("{name} is no sum") };
    assert_eq!(sum.aggregation_temporality, 2);
    let row = |p: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint| {
        assert!(p.start_time_unix_nano > 0 && p.start_time_unix_nano < p.time_unix_nano);
        let Some(number_data_point::Value::AsInt(n)) = p.value else { panic!("{name} is not whole") };
        (integer(&p.attributes, "cpython.gc.generation").unwrap_or(0), n)
    };
    (sum.data_points.iter().map(row).collect(), sum.is_monotonic)
}

#[test]
fn a_receiver_gets_the_truth_under_opentelemetrys_names() {
    for python in pythons() {
        let mut target = Target::start(&python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let (address, requests) = receiver("200 OK");
        let headers = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(headers.path(), "X-Scope-OrgID: seven\n").unwrap();
        let pusher = Pusher::start(&address, Some(headers.path())).unwrap();
        let mut pool = pool(&target);
        target.say("3");
        let truth: Vec<i64> = target.numbers();
        pool.drain();
        pool.sample(1);
        pusher.push(&pool);
        let (head, body) = requests.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(head.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{head}");
        let lower = head.to_lowercase();
        assert!(
            lower.contains("content-type: application/x-protobuf") && lower.contains("x-scope-orgid: seven")
        );
        let request = ExportMetricsServiceRequest::decode(&body[..]).unwrap();
        let resource = &request.resource_metrics[0];
        let attributes = &resource.resource.as_ref().unwrap().attributes;
        assert_eq!(integer(attributes, "process.pid"), Some(i64::from(target.pid())));
        let metrics = &resource.scope_metrics[0].metrics;
        let (collections, rises) = sum(metrics, "cpython.gc.collections", "{collection}");
        assert!(
            rises && collections.len() == 3 && collections[2] == (2, truth[0]),
            "{}: {collections:?}",
            python.name
        );
        assert_eq!(
            sum(metrics, "process.unix.file_descriptor.count", "{file_descriptor}").0,
            [(0, truth[1])]
        );
        let (rss, rises) = sum(metrics, "process.memory.usage", "By");
        let status = std::fs::read_to_string(format!("/proc/{}/statm", target.pid())).unwrap();
        let resident: i64 = status.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4096;
        assert!(!rises && (rss[0].1 - resident).abs() < 4 << 20, "{rss:?} {resident}");
        if let Some(pauses) = metrics.iter().find(|m| m.name == "m5.gc.pause.duration") {
            let Some(metric::Data::Histogram(histogram)) = &pauses.data else { panic!("no histogram") };
            let full = &histogram.data_points[2];
            assert_eq!((full.count, full.bucket_counts.iter().sum::<u64>()), (3, 3), "{}", python.name);
            assert_eq!(full.bucket_counts.len(), full.explicit_bounds.len() + 1);
        }
    }
}

#[test]
fn a_receiver_that_refuses_or_is_away_is_counted() {
    let python = pythons().into_iter().next_back().unwrap();
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    let mut pool = pool(&target);
    pool.sample(1);
    let (refusing, requests) = receiver("503 Service Unavailable");
    for (address, requests) in [(refusing, Some(requests)), ("http://127.0.0.1:9".to_owned(), None)] {
        let pusher = Pusher::start(&address, None).unwrap();
        pusher.push(&pool);
        if let Some(requests) = requests {
            requests.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        let failed = || m5_report::metrics::render(&pusher.families(), m5_report::metrics::Format::Text);
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !failed().contains("m5_otlp_errors_total 1") {
            assert!(std::time::Instant::now() < deadline, "{}", failed());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
