//! Series and their truth as files, for rivals that are written in Python.

use super::Args;
use m5_stats::Point;
use std::fs;
use std::io::Write;

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
