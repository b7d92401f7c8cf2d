//! Series and their truth as files, for rivals that are written in Python.

use super::Args;
use m5_bench_verdicts::wide::Trace;
use m5_stats::verdict::{SIGNS, signs_of};
use m5_stats::{Options, Point};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Blocks of a series in a table.
const BLOCKS: usize = 48;

pub(crate) fn write(
    args: &Args,
    name: &str,
    points: &[Point],
    floor_24h: f64,
    growth: f64,
) -> std::io::Result<()> {
    let Some(folder) = &args.export else { return Ok(()) };
    fs::create_dir_all(folder)?;
    let mut file = std::io::BufWriter::new(fs::File::create(folder.join(name.replace(' ', "_")))?);
    writeln!(file, "#{floor_24h},{growth}")?;
    points.iter().try_for_each(|p| writeln!(file, "{},{}", p.t, p.v))
}

/// A table of all series for `ceiling.py`: family, whether it leaks, growth a window, the floor a day later, seconds, and of
/// each block the lowest, the middle and the highest value, as parts of the last floor; the load of each where it is named.
pub(crate) struct Table(Option<std::io::BufWriter<fs::File>>);

impl Table {
    pub(crate) fn create(path: Option<&Path>) -> std::io::Result<Self> {
        Ok(Self(path.map(fs::File::create).transpose()?.map(std::io::BufWriter::new)))
    }

    pub(crate) fn add(&mut self, family: &str, leaks: bool, trace: &Trace) -> std::io::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let born = trace.restarts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let points = &trace.points[trace.points.partition_point(|p| p.t < born)..];
        let blocks = blocks(points);
        let level = blocks.last().map_or(1.0, |b| b[0]).max(f64::MIN_POSITIVE);
        let seconds = points.last().zip(points.first()).map_or(0.0, |(b, a)| b.t - a.t);
        let family = family.replace(',', "");
        let later = trace.floor_24h / level;
        write!(file, "{family},{},{:.4},{later:.5},{seconds:.0}", u8::from(leaks), trace.growth)?;
        for place in 0..3 {
            blocks.iter().try_for_each(|b| write!(file, ",{:.5}", b[place] / level))?;
        }
        let load = trace.load.as_ref().map_or_else(Vec::new, |l| self::blocks(l));
        (0..BLOCKS).try_for_each(|i| write!(file, ",{:.3}", load.get(i).map_or(0.0, |b| b[1])))?;
        writeln!(file)
    }
}

/// The lowest, the middle and the highest value of each block; one without a sample is like the one before.
fn blocks(points: &[Point]) -> Vec<[f64; 3]> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let width = (last.t - first.t) / BLOCKS as f64;
    let mut known = [first.v; 3];
    let block = |i: usize| {
        let at = |i: usize| points.partition_point(|p| p.t < first.t + width * i as f64);
        let mut values: Vec<f64> = points[at(i)..at(i + 1)].iter().map(|p| p.v).collect();
        values.sort_by(f64::total_cmp);
        let lower = values.len().div_ceil(3).max(1);
        if let (Some(middle), Some(highest)) = (values.get(values.len() / 2), values.last()) {
            known = [values[..lower].iter().sum::<f64>() / lower as f64, *middle, *highest];
        }
        known
    };
    (0..BLOCKS).map(block).collect()
}

/// A table of all series for `learn.py`: family, whether it leaks, growth a window, the verdict; low end, value, high end and truth of the forecast, as parts of the level; the signs.
pub(crate) struct Signs(Option<std::io::BufWriter<fs::File>>);

impl Signs {
    pub(crate) fn create(path: Option<&Path>) -> std::io::Result<Self> {
        let mut file = path.map(fs::File::create).transpose()?.map(std::io::BufWriter::new);
        if let Some(file) = &mut file {
            write!(file, "family,leaks,growth,verdict,low,value,high,truth")?;
            SIGNS.iter().try_for_each(|name| write!(file, ",{name}"))?;
            writeln!(file)?;
        }
        Ok(Self(file))
    }

    pub(crate) fn add(&mut self, family: &str, leaks: bool, trace: &Trace) -> std::io::Result<()> {
        let options =
            Options { load: trace.load.as_deref(), restarts: &trace.restarts, ..Options::default() };
        self.window(family, leaks.then_some(trace.growth), &trace.points, trace.floor_24h, &options)
    }

    /// A window of a series: how much it grows, if it leaks, and the floor a day after it.
    pub(crate) fn window(
        &mut self,
        family: &str,
        growth: Option<f64>,
        points: &[Point],
        later: f64,
        options: &Options<'_>,
    ) -> std::io::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let Some((signs, a)) = signs_of(points, options) else { return Ok(()) };
        let (family, verdict) = (family.replace(',', ""), a.verdict.name());
        let leaks = u8::from(growth.is_some());
        write!(file, "{family},{leaks},{:.4},{verdict}", growth.unwrap_or(0.0))?;
        let level = a.level.unwrap_or(f64::NAN);
        let f = a.forecast_24h.map_or([f64::NAN; 3], |f| [f.low, f.value, f.high]);
        f.iter().chain([&later]).try_for_each(|v| write!(file, ",{:.6}", v / level))?;
        signs.0.iter().try_for_each(|v| write!(file, ",{v:.6}"))?;
        writeln!(file)
    }
}
