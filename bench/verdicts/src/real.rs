//! Real series: a folder of files with lines `seconds,value`. None is kept here; `README.md` says where they are
//! from. By the number that a file's name comes to, half of them are held out.

use m5_stats::Point;
use std::path::Path;

/// A machine's or a process's memory over time.
#[derive(Debug, Clone)]
pub struct Real {
    /// The file's name.
    pub name: String,
    /// All that was recorded.
    pub points: Vec<Point>,
    /// Whether constants must not be chosen on it.
    pub held_out: bool,
}

/// Reads every `.csv` file of a folder, in order of name.
///
/// # Errors
/// A folder or a file that cannot be read.
pub fn read(folder: &Path) -> std::io::Result<Vec<Real>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    paths.sort_by_key(std::fs::DirEntry::file_name);
    let csv = paths.iter().filter(|p| p.path().extension().is_some_and(|e| e == "csv"));
    csv.map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let sum: u32 = name.bytes().map(u32::from).sum();
        let text = std::fs::read_to_string(entry.path())?;
        let point = |line: &str| {
            let (t, v) = line.split_once(',')?;
            Some(Point { t: t.trim().parse().ok()?, v: v.trim().parse().ok()? })
        };
        Ok(Real { name, points: text.lines().filter_map(point).collect(), held_out: sum % 2 == 1 })
    })
    .collect()
}

/// Windows of `seconds` that are followed by a day and more, each with the floor that came a day later.
#[must_use]
pub fn windows(points: &[Point], seconds: f64, ahead: f64) -> Vec<(&[Point], f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let block = seconds / 32.0;
    let mut from = first.t;
    let mut all = Vec::new();
    while from + seconds + ahead + 0.5 * block <= last.t {
        let at = |t: f64| points.partition_point(|p| p.t < t);
        let end = from + seconds;
        let mut later: Vec<f64> = points[at(end + ahead - 0.5 * block)..at(end + ahead + 0.5 * block)]
            .iter()
            .map(|p| p.v)
            .collect();
        later.sort_by(f64::total_cmp);
        let lower = &later[..later.len().div_ceil(3)];
        if !lower.is_empty() && at(end) - at(from) >= 100 {
            all.push((&points[at(from)..at(end)], lower.iter().sum::<f64>() / lower.len() as f64));
        }
        from += seconds;
    }
    all
}
