//! The Arrow C data interface for a piece of candles: a struct of one column a field.
//!
//! A view of a block never changes, so columns that are contiguous are handed out as they are (order="F"); with
//! order="C" each column is gathered once.
#![allow(unsafe_code)]

use crate::block::{Item, Piece};
use crate::own::Own;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ffi::{CStr, CString, c_char, c_int, c_void};

#[repr(C)]
struct Schema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut Schema,
    dictionary: *mut Schema,
    release: Option<unsafe extern "C" fn(*mut Schema)>,
    private: *mut c_void,
}

#[repr(C)]
struct Array {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut Array,
    dictionary: *mut Array,
    release: Option<unsafe extern "C" fn(*mut Array)>,
    private: *mut c_void,
}

#[repr(C)]
struct Stream {
    get_schema: unsafe extern "C" fn(*mut Stream, *mut Schema) -> c_int,
    get_next: unsafe extern "C" fn(*mut Stream, *mut Array) -> c_int,
    get_last_error: unsafe extern "C" fn(*mut Stream) -> *const c_char,
    release: Option<unsafe extern "C" fn(*mut Stream)>,
    private: *mut c_void,
}

/// A column's name and what its numbers are.
pub(crate) type Column = (String, Item);

/// What a schema owns.
struct SchemaOwner {
    _name: CString,
    children: Vec<*mut Schema>,
}

/// What an array owns: its pointers, and the memory behind them.
struct ArrayOwner {
    buffers: [*const c_void; 2],
    children: Vec<*mut Array>,
    _gathered: Vec<u8>,
    _block: Option<Py<PyAny>>,
}

struct StreamOwner {
    columns: Vec<Column>,
    array: Option<Array>,
}

// SAFETY: plain owned memory; the interface moves it between threads, one owner at a time.
unsafe impl Send for Schema {}
// SAFETY: as above.
unsafe impl Send for Array {}
// SAFETY: as above.
unsafe impl Send for Stream {}

fn build_schema(format: &'static CStr, name: &str, children: Vec<Schema>) -> Schema {
    let children: Vec<*mut Schema> = children.into_iter().map(|c| Box::into_raw(Box::new(c))).collect();
    let name = CString::new(name).unwrap_or_default();
    let text = name.as_ptr();
    let owner = Box::into_raw(Box::new(SchemaOwner { _name: name, children }));
    // SAFETY: just made; the vector behind the pointer stays where it is.
    let (children, n) = unsafe { ((*owner).children.as_mut_ptr(), (*owner).children.len()) };
    Schema {
        format: format.as_ptr(),
        name: text,
        metadata: std::ptr::null(),
        flags: 0,
        n_children: n as i64,
        children,
        dictionary: std::ptr::null_mut(),
        release: Some(release_schema),
        private: owner.cast(),
    }
}

fn record_schema(columns: &[Column]) -> Schema {
    let child = |(name, item): &Column| {
        let format = match item {
            Item::F4 => c"f",
            Item::F8 => c"g",
            Item::I8 => c"tsn:UTC",
        };
        build_schema(format, name, Vec::new())
    };
    build_schema(c"+s", "", columns.iter().map(child).collect())
}

unsafe extern "C" fn release_schema(schema: *mut Schema) {
    // SAFETY: the consumer calls this once, on a schema of ours; children that it moved have no `release`.
    unsafe {
        let owner = Box::from_raw((*schema).private.cast::<SchemaOwner>());
        for &child in &owner.children {
            if let Some(release) = (*child).release {
                release(child);
            }
            drop(Box::from_raw(child));
        }
        (*schema).release = None;
    }
}

fn build_array(length: usize, owner: ArrayOwner, n_buffers: i64) -> Array {
    let owner = Box::into_raw(Box::new(owner));
    // SAFETY: just made; what the pointers name stays where it is.
    let (buffers, children, n) =
        unsafe { ((*owner).buffers.as_mut_ptr(), (*owner).children.as_mut_ptr(), (*owner).children.len()) };
    Array {
        length: length as i64,
        null_count: 0,
        offset: 0,
        n_buffers,
        n_children: n as i64,
        buffers,
        children,
        dictionary: std::ptr::null_mut(),
        release: Some(release_array),
        private: owner.cast(),
    }
}

/// The array of one field.
fn column(py: Python<'_>, block: &Own, piece: &Piece, field: usize) -> *mut Array {
    let size = piece.item.size();
    // SAFETY: inside the block, as the piece says.
    let first = unsafe { piece.ptr.add(if piece.rows == 0 { 0 } else { field * piece.strides[1] }) };
    let mut owner = ArrayOwner {
        buffers: [std::ptr::null(), first.cast_const().cast()],
        children: Vec::new(),
        _gathered: Vec::new(),
        _block: None,
    };
    if piece.strides[0] == size {
        owner._block = Some(block.py().clone_ref(py));
    } else {
        let mut bytes = Vec::with_capacity(piece.rows * size + 8);
        for row in 0..piece.rows {
            // SAFETY: inside the block, as the piece says.
            bytes.extend_from_slice(unsafe {
                std::slice::from_raw_parts(first.add(row * piece.strides[0]), size)
            });
        }
        owner.buffers[1] = bytes.as_ptr().cast();
        owner._gathered = bytes;
    }
    Box::into_raw(Box::new(build_array(piece.rows, owner, 2)))
}

/// The fields of pieces of equal length, side by side.
fn record_array(py: Python<'_>, parts: &[(Own, Piece)]) -> Array {
    let fields = parts.iter().flat_map(|(block, piece)| {
        (0..piece.cols.unwrap_or(1)).map(move |field| column(py, block, piece, field))
    });
    let owner = ArrayOwner {
        buffers: [std::ptr::null(); 2],
        children: fields.collect(),
        _gathered: Vec::new(),
        _block: None,
    };
    build_array(parts.first().map_or(0, |(_, piece)| piece.rows), owner, 1)
}

unsafe extern "C" fn release_array(array: *mut Array) {
    // SAFETY: as for schemas. Any thread may call it: dropping the block's reference where it is not attached is
    // put off by PyO3 until somebody is.
    unsafe {
        let owner = Box::from_raw((*array).private.cast::<ArrayOwner>());
        for &child in &owner.children {
            if let Some(release) = (*child).release {
                release(child);
            }
            drop(Box::from_raw(child));
        }
        (*array).release = None;
    }
}

unsafe extern "C" fn stream_schema(stream: *mut Stream, out: *mut Schema) -> c_int {
    // SAFETY: the consumer passes a stream of ours and room for a schema.
    unsafe {
        let owner = &*(*stream).private.cast::<StreamOwner>();
        out.write(record_schema(&owner.columns));
    }
    0
}

unsafe extern "C" fn stream_next(stream: *mut Stream, out: *mut Array) -> c_int {
    // SAFETY: as above; an array without `release` says that the stream has ended.
    unsafe {
        let owner = &mut *(*stream).private.cast::<StreamOwner>();
        out.write(owner.array.take().unwrap_or_else(|| std::mem::zeroed()));
    }
    0
}

unsafe extern "C" fn stream_error(_stream: *mut Stream) -> *const c_char {
    std::ptr::null()
}

unsafe extern "C" fn release_stream(stream: *mut Stream) {
    // SAFETY: called once on a stream of ours.
    unsafe {
        let mut owner = Box::from_raw((*stream).private.cast::<StreamOwner>());
        if let Some(mut array) = owner.array.take() {
            release_array(&raw mut array);
        }
        (*stream).release = None;
    }
}

/// Puts a structure into a capsule that releases it unless a consumer took it.
macro_rules! capsule {
    ($py:expr, $value:expr, $type:ty, $name:expr) => {
        PyCapsule::new_with_value_and_destructor(
            $py,
            Wrapped($value),
            $name,
            |mut value: Wrapped<$type>, _| {
                if let Some(release) = value.0.release {
                    // SAFETY: nobody took it: we are its last owner.
                    unsafe { release(&raw mut value.0) };
                }
            },
        )
    };
}

#[repr(transparent)]
struct Wrapped<T>(T);
// SAFETY: see the structures.
unsafe impl<T> Send for Wrapped<T> {}

/// The schema alone.
pub(crate) fn schema<'py>(py: Python<'py>, columns: &[Column]) -> PyResult<Bound<'py, PyCapsule>> {
    capsule!(py, record_schema(columns), Schema, c"arrow_schema")
}

/// Schema and array.
pub(crate) fn array<'py>(
    py: Python<'py>,
    columns: &[Column],
    parts: &[(Own, Piece)],
) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
    let made = capsule!(py, record_array(py, parts), Array, c"arrow_array")?;
    Ok((schema(py, columns)?, made))
}

/// A stream of one batch.
pub(crate) fn stream<'py>(
    py: Python<'py>,
    columns: Vec<Column>,
    parts: &[(Own, Piece)],
) -> PyResult<Bound<'py, PyCapsule>> {
    let owner = StreamOwner { columns, array: Some(record_array(py, parts)) };
    let stream = Stream {
        get_schema: stream_schema,
        get_next: stream_next,
        get_last_error: stream_error,
        release: Some(release_stream),
        private: Box::into_raw(Box::new(owner)).cast(),
    };
    capsule!(py, stream, Stream, c"arrow_array_stream")
}
