//! Where to begin: the interpreter, its version's layout, and the one type that every type is made of.

use crate::image::Image;
use m5_cpython::layout::objects::ObjectLayout;
use m5_cpython::{Interpreter, symbols};
use m5_process::{Mapping, Memory, Process};
use std::fs::File;

/// Why an image could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum HeapError {
    /// It could not be taken.
    #[error(transparent)]
    Trace(#[from] m5_process::TraceError),
    /// No interpreter that m5 knows.
    #[error(transparent)]
    Interpreter(#[from] m5_cpython::Error),
    /// An interpreter whose objects m5 does not know.
    #[error("objects of this CPython cannot be read: {0}")]
    Unsupported(String),
}

impl From<m5_process::Error> for HeapError {
    fn from(error: m5_process::Error) -> Self {
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
    /// Addresses of all interpreters' states, the main one first.
    pub interpreters: Vec<u64>,
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
        let interpreter = Interpreter::attach(process)?;
        let maps = process.maps()?;
        let on_disk = |path: &str| {
            let map = maps.iter().find(|m| m.path.strip_suffix(" (deleted)").unwrap_or(&m.path) == path)?;
            process.open_program(map)
        };
        Self::assemble(&interpreter, &maps, on_disk)
    }

    /// Puts together what is known of a confirmed interpreter; `on_disk` opens a file by its path there.
    ///
    /// # Errors
    /// As [`Anchor::of`].
    pub fn assemble<M: Memory + Clone>(
        interpreter: &Interpreter<M>,
        maps: &[Mapping],
        on_disk: impl Fn(&str) -> Option<File>,
    ) -> Result<Self, HeapError> {
        let (file, memory) = (interpreter.file(), interpreter.memory());
        let named = interpreter.layout().name;
        let layout = interpreter.objects();
        let layout = layout.ok_or_else(|| HeapError::Unsupported(format!("no table for version {named}")))?;
        let type_type = type_of_types(&memory, interpreter.address(), layout)?;
        // Names of static variables are in the file alone, where it was not stripped.
        let program = on_disk(file.strip_suffix(" (deleted)").unwrap_or(file));
        let names = program.map(|program| symbols(program, maps, file, &["arenas", "maxarenas"]));
        let name = |i: usize| names.as_ref()?.get(i).copied().flatten();
        let arenas = name(0).zip(name(1));
        Ok(Self {
            layout,
            runtime: interpreter.runtime(),
            interpreter: interpreter.address(),
            interpreters: interpreter.all()?.iter().map(Interpreter::address).collect(),
            type_type,
            arenas,
            file: file.to_owned(),
        })
    }

    /// Whether an address lies in the interpreter's own file (or its zeroed data).
    #[must_use]
    pub fn owns(&self, image: &Image, addr: u64) -> bool {
        image.mapping_of(addr).and_then(|i| image.maps().get(i)).is_some_and(|m| m.path == self.file)
    }
}

/// `PyType_Type`, which no symbol is needed for: the type of the type of the dictionary of `sys`, and its own type.
fn type_of_types(memory: &impl Memory, interpreter: u64, layout: &ObjectLayout) -> Result<u64, HeapError> {
    let of = |object: u64| memory.u64(object.wrapping_add(8 + layout.shift()));
    let sysdict = memory.u64(interpreter + u64::from(layout.sysdict))?;
    let found = of(of(sysdict)?)?;
    match of(found)? == found {
        true => Ok(found),
        false => Err(HeapError::Unsupported(format!(
            "the type of the dictionary of `sys` at {sysdict:#x} is of no type of types"
        ))),
    }
}
