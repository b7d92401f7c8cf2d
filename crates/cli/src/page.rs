//! The page as one file, written whole or not at all.

use crate::ctx::Ctx;
use crate::error::CliError;
use crate::output;
use m5_report::doc::Page;
use m5_report::texts::Record;
use std::path::Path;

/// Writes the page with its values inside.
pub(crate) fn save(path: &Path, page: &Page, ctx: &Ctx) -> Result<(), CliError> {
    let data = serde_json::to_string(page).map_err(|e| CliError::Kernel { message: e.to_string() })?;
    output::write_file(path, m5_report::html::page(Some(ctx.lang), Some(&data)).as_bytes())?;
    ctx.note(Record::Page, &[&path.display()]);
    Ok(())
}
