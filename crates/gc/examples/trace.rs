//! Traces one process for some seconds and prints each pause: `trace PID SECONDS [BUDGET]`, a budget of 0.01
//! being 1 % of the target's CPU time.

use m5_cpython::Interpreter;
use m5_gc::{TraceOptions, Tracer};
use m5_process::Process;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let pid = args.next().ok_or("usage: trace PID SECONDS")?.parse()?;
    let seconds: f64 = args.next().ok_or("usage: trace PID SECONDS")?.parse()?;
    let max_overhead = args.next().map(|b| b.parse()).transpose()?;
    let process = Process::open(pid)?;
    let options = TraceOptions { max_overhead, ..TraceOptions::default() };
    let interpreter = Interpreter::attach(&process)?;
    let mut tracer = Tracer::attach(&process, &interpreter, &options)?;
    println!("{:?}: {}", tracer.kind(), tracer.reason());
    let (mut pauses, end) = (Vec::new(), Instant::now() + Duration::from_secs_f64(seconds));
    while Instant::now() < end {
        std::thread::sleep(tracer.interval());
        tracer.drain(&mut pauses)?;
        for pause in pauses.drain(..) {
            println!("{pause:?}");
        }
    }
    println!("{:?}", tracer.coverage());
    Ok(())
}
