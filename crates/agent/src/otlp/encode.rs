//! From the pool to an OTLP request: a resource per process, cumulative sums, names and units of the semantic
//! conventions for processes and for CPython; what those do not name is `m5.*`.

use crate::pool::{Member, Pool, Readable};
use m5_report::metrics::Histogram as Counted;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

/// Name of the attribute for generations.
const GENERATION: &str = "cpython.gc.generation";
/// Sums count from a fixed begin.
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// When something was counted from and to, nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: u64,
    to: u64,
}

/// The bytes of a request for every process that is watched. `began_ns` is when this m5 began to watch.
#[must_use]
pub fn encode(pool: &Pool, host: Option<&str>, began_ns: u64, now_ns: u64) -> Vec<u8> {
    let resource_metrics =
        pool.members().into_iter().map(|member| process(member, host, began_ns, now_ns)).collect();
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

fn process(member: &Member, host: Option<&str>, began_ns: u64, now_ns: u64) -> ResourceMetrics {
    let mut attributes = vec![
        text("service.name", member.service()),
        text("service.instance.id", &format!("{}-{}", member.slot(), member.identity().pid)),
        whole("process.pid", i64::from(member.identity().pid)),
    ];
    attributes.extend(host.map(|host| text("host.name", host)));
    if let Readable::Yes(version) = member.readable() {
        attributes
            .extend([text("process.runtime.name", "cpython"), text("process.runtime.version", version)]);
    }
    let started = Span { from: (member.started_unix_seconds().max(0.0) * 1e9) as u64, to: now_ns };
    let watched = Span { from: began_ns, to: now_ns };
    let scope = InstrumentationScope {
        name: "m5".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..Default::default()
    };
    let mut metrics = kernel(member, started);
    metrics.extend(collector(member, started, watched));
    metrics.extend(judged(member, watched));
    ResourceMetrics {
        resource: Some(Resource { attributes, ..Default::default() }),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..Default::default() }],
        ..Default::default()
    }
}

/// What the kernel says of it.
fn kernel(member: &Member, span: Span) -> Vec<Metric> {
    let (status, stat) = (&member.reading.status, &member.reading.stat);
    let seconds =
        |ticks: u64| number_data_point::Value::AsDouble(ticks as f64 / m5_process::ticks_per_second());
    let level = |name, unit, help, value: Option<u64>| {
        let value = value.map(|n| point(Vec::new(), count(n), span));
        sum(name, unit, help, false, value.into_iter().collect())
    };
    let cpu = vec![
        point(vec![text("cpu.mode", "user")], seconds(stat.user_ticks), span),
        point(vec![text("cpu.mode", "system")], seconds(stat.system_ticks), span),
    ];
    [
        level("process.memory.usage", "By", "The amount of physical memory in use.", status.rss_bytes),
        level(
            "process.memory.virtual",
            "By",
            "The amount of committed virtual memory.",
            status.virtual_bytes,
        ),
        sum("process.cpu.time", "s", "Total CPU seconds broken down by different CPU modes.", true, cpu),
        level("process.thread.count", "{thread}", "Process threads count.", status.threads),
        level(
            "process.unix.file_descriptor.count",
            "{file_descriptor}",
            "Number of unix file descriptors in use by the process.",
            member.reading.fds.as_ref().map(|f| f.total),
        ),
        level("m5.connection.count", "{connection}", "Established TCP connections.", member.established()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the interpreter says, and the pauses that were measured.
fn collector(member: &Member, started: Span, watched: Span) -> Vec<Metric> {
    let by_generation = |name, unit, help, pick: fn(&m5_cpython::Generation) -> u64| {
        let generations = member.gc.into_iter().flat_map(|gc| gc.generations.into_iter().zip(0..));
        let points = generations.map(|(g, n)| point(vec![whole(GENERATION, n)], count(pick(&g)), started));
        sum(name, unit, help, true, points.collect())
    };
    let pauses = member.traced().then(|| {
        let generations = member.pauses.histograms().iter().zip(0..);
        let data_points = generations.map(|(counted, n)| distribution(counted, n, watched)).collect();
        let data = metric::Data::Histogram(Histogram { data_points, aggregation_temporality: CUMULATIVE });
        described("m5.gc.pause.duration", "s", "Pauses of the garbage collector, each measured.", data)
    });
    [
        by_generation(
            "cpython.gc.collections",
            "{collection}",
            "The number of times a generation was collected since interpreter start.",
            |g| g.collections,
        ),
        by_generation(
            "cpython.gc.collected_objects",
            "{object}",
            "The total number of objects collected inside a generation since interpreter start.",
            |g| g.collected,
        ),
        by_generation(
            "cpython.gc.uncollectable_objects",
            "{object}",
            "The total number of objects which were found to be uncollectable inside a generation since interpreter start.",
            |g| g.uncollectable,
        ),
        pauses,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What m5 makes of it.
fn judged(member: &Member, span: Span) -> Vec<Metric> {
    let a = &member.assessment();
    let gauge = |name, unit, help, value: Option<f64>| {
        let value = point(Vec::new(), number_data_point::Value::AsDouble(value?), span);
        Some(described(name, unit, help, metric::Data::Gauge(Gauge { data_points: vec![value] })))
    };
    let growing = f64::from(u8::from(a.verdict == m5_stats::Verdict::Growing));
    [
        gauge("m5.memory.floor", "By", "The memory's floor now.", a.level),
        gauge("m5.memory.growth", "By/s", "Growth of the memory's floor.", a.slope),
        gauge("m5.memory.growing", "1", "1 where the memory grows for sure.", Some(growing)),
        gauge(
            "m5.memory.forecast_24h",
            "By",
            "The memory's floor in 24 hours.",
            a.forecast_24h.map(|f| f.value),
        ),
        gauge("m5.memory.limit", "By", "Limit of the memory cgroup.", member.limit_bytes()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn described(name: &str, unit: &str, description: &str, data: metric::Data) -> Metric {
    Metric {
        name: name.into(),
        unit: unit.into(),
        description: description.into(),
        data: Some(data),
        ..Default::default()
    }
}

/// A sum; nothing where nothing was measured.
fn sum(
    name: &str,
    unit: &str,
    help: &str,
    is_monotonic: bool,
    points: Vec<NumberDataPoint>,
) -> Option<Metric> {
    let sum = Sum { data_points: points, aggregation_temporality: CUMULATIVE, is_monotonic };
    (!sum.data_points.is_empty()).then(|| described(name, unit, help, metric::Data::Sum(sum)))
}

fn point(attributes: Vec<KeyValue>, value: number_data_point::Value, span: Span) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        value: Some(value),
        ..Default::default()
    }
}

fn distribution(counted: &Counted, generation: i64, span: Span) -> HistogramDataPoint {
    let (mut bounds, mut counts, mut before) = (Vec::new(), Vec::new(), 0);
    for (bound, below) in counted.cumulative() {
        counts.push(below - before);
        before = below;
        bounds.extend(Some(bound).filter(|b| b.is_finite()));
    }
    HistogramDataPoint {
        attributes: vec![whole(GENERATION, generation)],
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        count: counted.count(),
        sum: Some(counted.sum()),
        bucket_counts: counts,
        explicit_bounds: bounds,
        ..Default::default()
    }
}

fn count(n: u64) -> number_data_point::Value {
    number_data_point::Value::AsInt(i64::try_from(n).unwrap_or(i64::MAX))
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.into()))
}

fn whole(key: &str, value: i64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}
