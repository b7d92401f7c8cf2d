//! Where to begin: the interpreter, its version's layout, and the one type that every type is made of.

use crate::image::Image;
use m5_cpython::layout::objects::{ObjectLayout, objects};
use m5_cpython::{Found, Interpreter, find, symbols};
use m5_target::Process;
use std::fs;

/// Why an image could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum HeapError {
    /// It could not be taken.
    #[error(transparent)]
    Trace(#[from] m5_target::TraceError),
    /// No interpreter that m5 knows.
    #[error(transparent)]
    Interpreter(#[from] m5_cpython::Error),
    /// An interpreter whose objects m5 does not know.
    #[error("objects of this CPython cannot be read: {0}")]
    Unsupported(String),
}

impl From<m5_target::Error> for HeapError {
    fn from(error: m5_target::Error) -> Self {
        Self::Trace(error.into())
    }
}

/// The interpreter in an image.
#[derive(Debug, Clone)]
pub struct Anchor {
    /// Layout of its objects.
    pub layout: &'static ObjectLayout,
    /// Address of `_PyRuntime`.
    pub runtime: u64,
    /// Address of the main interpreter's state.
    pub interpreter: u64,
    /// Address of `PyType_Type`.
    pub type_type: u64,
    /// Addresses of `arenas` and `maxarenas`, where the file still has these names.
    pub arenas: Option<(u64, u64)>,
    /// The file that holds the interpreter.
    pub file: String,
}

impl Anchor {
    /// Finds the interpreter of a running process.
    ///
    /// # Errors
    /// [`HeapError`] where there is none or its objects are not known.
    pub fn of(process: &Process) -> Result<Self, HeapError> {
        let found = find(process)?;
        let interpreter = Interpreter::attach(process)?;
        let name = interpreter.layout().name;
        let main = interpreter.layout().interpreters_main;
        let on_disk = found.file.strip_suffix(" (deleted)").unwrap_or(&found.file);
        let data = fs::read(process.file_in_root(on_disk))
            .map_err(|e| m5_target::Error::from_io(process.pid(), &found.file, e))?;
        let maps = process.maps()?;
        let names = ["PyType_Type", "arenas", "maxarenas"];
        let addresses = symbols(&data, &maps, &found.file, &names);
        use m5_target::Memory;
        let state = process.memory().u64(found.runtime + main)?;
        Self::assemble(name, &found, state, &addresses)
    }

    fn assemble(
        name: &str,
        found: &Found,
        interpreter: u64,
        addresses: &[Option<u64>],
    ) -> Result<Self, HeapError> {
        let minor = name.split([' ', '.']).nth(1).and_then(|m| m.parse().ok());
        let layout = minor
            .and_then(objects)
            .ok_or_else(|| HeapError::Unsupported(format!("no table of objects for {name}")))?;
        let type_type = addresses.first().copied().flatten();
        let type_type = type_type
            .ok_or_else(|| HeapError::Unsupported(format!("{} has no symbol PyType_Type", found.file)))?;
        let pair = (addresses.get(1).copied().flatten(), addresses.get(2).copied().flatten());
        let arenas = if let (Some(a), Some(b)) = pair { Some((a, b)) } else { None };
        let file = found.file.clone();
        Ok(Self { layout, runtime: found.runtime, interpreter, type_type, arenas, file })
    }

    /// Whether an address lies in the interpreter's own file (or its zeroed data).
    #[must_use]
    pub fn owns(&self, image: &Image, addr: u64) -> bool {
        image.mapping_of(addr).and_then(|i| image.maps().get(i)).is_some_and(|m| m.path == self.file)
    }
}
