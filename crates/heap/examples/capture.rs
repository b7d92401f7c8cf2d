//! `capture PID [fork|freeze|live] [times]`: takes images and prints how it went.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
use m5_heap::{CaptureOptions, Method, capture};
use m5_target::Process;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let process = Process::open(args[1].parse().unwrap()).unwrap();
    let method = match args.get(2).map(String::as_str) {
        Some("fork") => Method::Fork,
        Some("freeze") => Method::Freeze,
        Some("live") => Method::Live,
        _ => Method::Auto,
    };
    let times = args.get(3).map_or(1, |n| n.parse().unwrap());
    for _ in 0..times {
        let taken = capture(&process, &CaptureOptions { method, ..CaptureOptions::default() });
        match taken {
            Ok(t) => println!("{:?} segments {}", t.report, t.image.segments().len()),
            Err(e) => println!("{e}"),
        }
    }
}
