//! The memory of a buffer: one allocation that readers keep alive, and the rows written into it.
//!
//! Rows are appended behind each other; some slack lies behind the capacity, and only when it is used up the
//! live rows are moved to the front (199 rows once in 56 appends for a capacity of 200: 1.28 times the memory,
//! about 3 ns an append). So a window is always one contiguous piece.
//!
//! A reader never sees a row change: while somebody holds a view of the block, rows that the view may cover are
//! not written. What would overwrite them (moving to the front, changing the last row) goes to a fresh block and
//! leaves the old one to its readers, who free it with their last view.
#![allow(unsafe_code)]

use crate::threads::Shared;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The element type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    F4,
    F8,
    /// Whole numbers; in rows of `f64` they stand as their bits.
    I8,
}

impl Item {
    /// The type of numbers that a user names.
    pub(crate) fn named(dtype: &str) -> PyResult<Self> {
        match dtype {
            "f8" | "float64" | "<f8" => Ok(Self::F8),
            "f4" | "float32" | "<f4" => Ok(Self::F4),
            _ => Err(PyValueError::new_err("dtype must be 'f8' or 'f4'")),
        }
    }

    pub(crate) fn size(self) -> usize {
        match self {
            Self::F4 => 4,
            Self::F8 | Self::I8 => 8,
        }
    }
}

/// A piece of a block: what a view needs to know.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) ptr: *mut u8,
    pub(crate) item: Item,
    pub(crate) rows: usize,
    /// `None` for a single field.
    pub(crate) cols: Option<usize>,
    /// Bytes to the next row and to the next field.
    pub(crate) strides: [usize; 2],
}

/// Rows of numbers, the newest last.
pub(crate) struct Rows {
    memory: Shared,
    base: *mut u8,
    pub(crate) item: Item,
    pub(crate) fields: usize,
    pub(crate) capacity: usize,
    pub(crate) slots: usize,
    row_stride: usize,
    field_stride: usize,
    start: usize,
    end: usize,
    /// Rows before this one may be seen by views.
    guarded: usize,
}

// SAFETY: `base` points into `memory`, which moves along.
unsafe impl Send for Rows {}

impl Rows {
    pub(crate) fn new(
        py: Python<'_>,
        capacity: usize,
        fields: usize,
        item: Item,
        by_row: bool,
    ) -> PyResult<Self> {
        let slots = capacity + capacity.div_ceil(4).next_multiple_of(8).max(16);
        let memory = Shared::with_bytes(py, slots * fields * item.size())?;
        let base = memory.ptr();
        let (row_stride, field_stride) =
            if by_row { (fields * item.size(), item.size()) } else { (item.size(), slots * item.size()) };
        Ok(Self {
            memory,
            base,
            item,
            fields,
            capacity,
            slots,
            row_stride,
            field_stride,
            start: 0,
            end: 0,
            guarded: 0,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn nbytes(&self) -> usize {
        self.slots * self.fields * self.item.size()
    }

    fn by_row(&self) -> bool {
        self.field_stride == self.item.size()
    }

    #[inline]
    fn at(&self, row: usize, field: usize) -> *mut u8 {
        debug_assert!(row < self.slots && field < self.fields);
        // SAFETY: inside the block by the two bounds.
        unsafe { self.base.add(row * self.row_stride + field * self.field_stride) }
    }

    #[inline]
    fn write(&self, row: usize, field: usize, value: f64) {
        let p = self.at(row, field);
        // SAFETY: `at` is in bounds and aligned, and no view covers the row (see `push`, `set_last`).
        unsafe {
            match self.item {
                Item::F8 | Item::I8 => p.cast::<u64>().write(value.to_bits()),
                Item::F4 => p.cast::<f32>().write(value as f32),
            }
        }
    }

    /// A value counted from the newest row: `back` 0 is the last row.
    pub(crate) fn get(&self, back: usize, field: usize) -> Option<f64> {
        if back >= self.len() || field >= self.fields {
            return None;
        }
        let p = self.at(self.end - 1 - back, field);
        // SAFETY: in bounds, aligned, written before.
        Some(unsafe {
            match self.item {
                Item::F8 | Item::I8 => f64::from_bits(p.cast::<u64>().read()),
                Item::F4 => f64::from(p.cast::<f32>().read()),
            }
        })
    }

    /// Appends a row of `fields` values.
    #[inline]
    pub(crate) fn push(&mut self, py: Python<'_>, row: &[f64]) -> PyResult<()> {
        if self.end == self.slots {
            self.relocate(py, self.end + 1 - self.capacity.max(1))?;
        }
        for (field, &value) in row.iter().enumerate().take(self.fields) {
            self.write(self.end, field, value);
        }
        self.end += 1;
        self.start = self.start.max(self.end.saturating_sub(self.capacity));
        Ok(())
    }

    /// Replaces the last row; `false` where there is none.
    #[inline]
    pub(crate) fn set_last(&mut self, py: Python<'_>, row: &[f64]) -> PyResult<bool> {
        if self.len() == 0 {
            return Ok(false);
        }
        if self.guarded >= self.end && self.memory.is_shared() {
            self.relocate(py, self.start)?;
        }
        for (field, &value) in row.iter().enumerate().take(self.fields) {
            self.write(self.end - 1, field, value);
        }
        Ok(true)
    }

    pub(crate) fn clear(&mut self, py: Python<'_>) -> PyResult<()> {
        self.start = self.end;
        self.relocate(py, self.end)
    }

    /// Brings the rows from `keep` on to the front: in place, or in a fresh block where views exist.
    #[cold]
    fn relocate(&mut self, py: Python<'_>, keep: usize) -> PyResult<()> {
        let keep = keep.max(self.start).min(self.end);
        let rows = self.end - keep;
        let old = self.base;
        let fresh = if self.memory.is_shared() { Some(Shared::with_bytes(py, self.nbytes())?) } else { None };
        let new = fresh.as_ref().map_or(old, Shared::ptr);
        let (runs, run, step) = if self.by_row() {
            (1, self.row_stride * rows, 0)
        } else {
            (self.fields, self.item.size() * rows, self.field_stride)
        };
        for i in 0..runs {
            // SAFETY: both ranges lie inside blocks of `nbytes`; `copy` allows them to overlap.
            unsafe { std::ptr::copy(old.add(i * step + keep * self.row_stride), new.add(i * step), run) };
        }
        (self.start, self.end, self.guarded, self.base) = (0, rows, 0, new);
        if let Some(fresh) = fresh {
            // The old one belongs to its readers. No Python code runs: it is plain memory.
            self.memory = fresh;
        }
        Ok(())
    }

    /// Changes fields of the last row; `false` where there is none.
    #[inline]
    pub(crate) fn set_some(&mut self, py: Python<'_>, fields: &[(usize, f64)]) -> PyResult<bool> {
        if self.len() == 0 {
            return Ok(false);
        }
        if self.guarded >= self.end && self.memory.is_shared() {
            self.relocate(py, self.start)?;
        }
        for &(field, value) in fields {
            self.write(self.end - 1, field, value);
        }
        Ok(true)
    }

    /// The last `n` rows, all fields or one, in memory of their own: for a short look at rows that are about to change,
    /// which would cost a copy of all rows where it is held.
    pub(crate) fn copied(&self, py: Python<'_>, n: usize, field: Option<usize>) -> PyResult<(Shared, Piece)> {
        copy(py, &self.look(n, 0, Columns::of(field, self.fields)))
    }

    /// A holder of the memory for a view: what `look` and `window` give is good as long as it is there.
    pub(crate) fn hold(&self) -> Shared {
        self.memory.hold()
    }

    /// The last `n` rows (fewer where there are fewer), all fields or one. Marks them as seen.
    pub(crate) fn window(&mut self, n: usize, field: Option<usize>) -> Piece {
        self.mark(0);
        self.look(n, 0, Columns::of(field, self.fields))
    }

    /// Marks all rows but the last `skip` as seen: they are not written while somebody holds the block.
    pub(crate) fn mark(&mut self, skip: usize) {
        if !self.memory.is_shared() {
            self.guarded = 0;
        }
        self.guarded = self.guarded.max(self.end.saturating_sub(skip));
    }

    /// `n` rows before the last `skip` (fewer where there are fewer). Good until the next change, or as long as it is
    /// held where the rows are marked.
    pub(crate) fn look(&self, n: usize, skip: usize, columns: Columns) -> Piece {
        let last = self.end - skip.min(self.len());
        let rows = n.min(last - self.start);
        let first = last - rows;
        let offset = if rows == 0 { 0 } else { first * self.row_stride + columns.first * self.field_stride };
        Piece {
            // SAFETY: inside the block.
            ptr: unsafe { self.base.add(offset) },
            item: self.item,
            rows,
            cols: columns.count,
            strides: [self.row_stride, columns.step * self.field_stride],
        }
    }
}

/// Which fields of a row, `step` apart; one alone where `count` is absent.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    pub(crate) first: usize,
    pub(crate) step: usize,
    pub(crate) count: Option<usize>,
}

impl Columns {
    fn of(field: Option<usize>, fields: usize) -> Self {
        Self { first: field.unwrap_or(0), step: 1, count: field.is_none().then_some(fields) }
    }
}

/// A piece in memory of its own, by rows.
pub(crate) fn copy(py: Python<'_>, piece: &Piece) -> PyResult<(Shared, Piece)> {
    let (size, columns) = (piece.item.size(), piece.cols.unwrap_or(1));
    let memory = Shared::with_bytes(py, piece.rows * columns * size)?;
    let to = memory.ptr();
    for row in 0..piece.rows {
        for column in 0..columns {
            // SAFETY: both ends are in bounds, as the piece says; the target is new.
            unsafe {
                let from = piece.ptr.add(row * piece.strides[0] + column * piece.strides[1]);
                std::ptr::copy_nonoverlapping(from, to.add((row * columns + column) * size), size);
            }
        }
    }
    Ok((memory, Piece { ptr: to, strides: [columns * size, size], ..*piece }))
}
