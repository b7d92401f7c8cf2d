//! Where each version keeps the fields of its objects, its interpreters and its allocator.
//!
//! Offsets were taken with `offsetof` from each version's headers; what is the same in all of them is a
//! constant of this module.

mod tables;

use super::asyncio::TaskFields;
use super::lines::LineFields;
use super::running::RunningFields;
use std::sync::{Mutex, PoisonError};

pub use tables::OBJECTS;

/// Offset of a pointer and what Python or C calls it.
pub type Field = (u16, &'static str);

/// Where an instance keeps its attributes, beside `tp_dictoffset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Managed {
    /// Only by `tp_dictoffset` (up to 3.10).
    None,
    /// A values pointer at −32, a dictionary at −24 (3.11).
    ValuesAndDict,
    /// One word at −24: values plus one, or a dictionary (3.12).
    Tagged,
    /// A dictionary at −24, values inside the instance (3.13 on).
    Inline,
}

/// The form of dictionary keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// A size in slots, entries of 24 bytes (up to 3.10).
    Sized,
    /// Logarithms of sizes, entries of 16 or 24 bytes (3.11 on).
    Logarithmic,
}

/// How running frames are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// Frame objects, linked by `f_back` (up to 3.10).
    Objects {
        /// Offset of the current frame in a thread state.
        current: u16,
        /// Offset of the local variables in a frame.
        locals: u16,
        /// A pointer to the end of the stack, or a depth of it (3.10).
        depth: Option<u16>,
    },
    /// Interpreter frames on a stack of their own (3.11 on).
    Interpreter(FrameFields),
}

/// Fields of an interpreter frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFields {
    /// Offset in a thread state: of the frame, or of a C frame that points to it.
    pub current: u16,
    /// Offset of the frame in the C frame; `None` where `current` is the frame itself.
    pub through: Option<u16>,
    /// The code object.
    pub code: u16,
    /// The frame before.
    pub previous: u16,
    /// Pointers that the frame holds.
    pub holds: &'static [Field],
    /// A count of used slots in `locals` (3.11 to 3.13) or the end of the stack (3.14 on).
    pub top: u16,
    /// Whether `top` is a pointer.
    pub top_is_pointer: bool,
    /// First local variable.
    pub locals: u16,
    /// Of a frame object: its interpreter frame, the frame inside it.
    pub object_frame: u16,
    /// Likewise.
    pub object_inline: u16,
    /// Of a generator: its state.
    pub generator_state: u16,
    /// From this state on a generator has no frame.
    pub generator_over: i8,
    /// Of a generator: its frame.
    pub generator_frame: u16,
    /// Of a code object: names of all locals, their number, depth of the stack.
    pub code_names: u16,
    /// Likewise.
    pub code_locals: u16,
    /// Likewise.
    pub code_stack: u16,
}

/// Where the arenas of the small object allocator are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arenas {
    /// Static variables `arenas` and `maxarenas`.
    Symbols,
    /// In the interpreter state.
    Interpreter(u32),
    /// Behind a pointer in the interpreter state.
    Behind(u32, u32),
}

/// Where an object says which entry of each thread's table counts the references to it: a number from 1 on, or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedByThreads {
    /// Offset in a class.
    pub class: u16,
    /// Offset in a code object.
    pub code: u16,
    /// Offset of the number in a dictionary, which has 32 bits there.
    pub dict: u16,
}

/// Everything about the objects of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLayout {
    /// Minor version: 12 for 3.12.
    pub minor: u32,
    /// Whether it is that of builds without the GIL. Offsets are then still counted as with it: see
    /// [`ObjectLayout::shift`].
    pub free_threaded: bool,
    /// Whether a negative 32-bit reference count means "lives forever".
    pub immortal: bool,
    /// Whether the upper half of a reference count holds flags (3.14 on).
    pub flagged_counts: bool,
    /// Offset of a tuple's items.
    pub tuple_items: u16,
    /// Type flags of which any adds two words before the object.
    pub preheader: u64,
    /// Whether the size of a static type counts its collector's header.
    pub static_types_have_head: bool,
    /// Attributes of instances.
    pub managed: Managed,
    /// Dictionary keys.
    pub keys: Keys,
    /// Frames.
    pub frames: Frames,
    /// Bits before the kind in the state of a string: those that say whether it is interned.
    pub str_kind: u8,
    /// Start of the text in ASCII strings and in other compact strings.
    pub str_ascii: u16,
    /// Likewise.
    pub str_compact: u16,
    /// Number of digits of an int is its size (up to 3.11) or in a tag above 3 bits.
    pub int_tagged: bool,
    /// Digits that even zero is counted with.
    pub int_least_digits: u8,
    /// `sizeof(PyTypeObject)` and `sizeof(PyHeapTypeObject)`.
    pub type_size: u16,
    /// Likewise.
    pub heap_type_size: u16,
    /// Pointers that a class holds beyond the ones of a static type.
    pub heap_type: &'static [Field],
    /// Offset of `ht_qualname` in a class.
    pub qualname: u16,
    /// Offset of `ht_cached_keys` in a class.
    pub cached_keys: u16,
    /// Of a `bytearray`: the object of `bytes` that its contents lie in (3.15 on).
    pub bytearray_object: Option<u16>,
    /// Of a `queue.SimpleQueue`: its ring, which `sys.getsizeof` counts (3.15 on); how many it has room for follows.
    pub queue_ring: Option<u16>,
    /// Of what a class of `ctypes` keeps behind its fields: the format of its instances (3.13 on).
    pub ctypes_format: Option<u16>,
    /// Pointers that a function holds.
    pub function: &'static [Field],
    /// Pointers that a code object holds.
    pub code: &'static [Field],
    /// Of a code object: a table of cells that are arguments, which `sys.getsizeof` counts (up to 3.10).
    pub code_cell2arg: Option<u16>,
    /// Of a code object: the table of what the interpreter's own compiler made of its loops (3.13 on).
    pub code_executors: Option<u16>,
    /// Of a code object: file name, name, first line.
    pub code_file: u16,
    /// Likewise.
    pub code_name: u16,
    /// Likewise.
    pub code_line: u16,
    /// Of an interpreter: `sys.modules`, the sys dictionary, builtins, its first thread.
    pub modules: u32,
    /// Likewise.
    pub sysdict: u32,
    /// Likewise.
    pub builtins: u32,
    /// Likewise.
    pub threads: u32,
    /// Of a thread state: the next one.
    pub thread_next: u16,
    /// Of a thread state: the kernel's thread id (3.11 on), its `dict`, its first data stack chunk (3.11 on).
    pub native_thread: Option<u16>,
    /// Likewise.
    pub thread_dict: u16,
    /// Likewise.
    pub data_stack: Option<u16>,
    /// Lines.
    pub lines: LineFields,
    /// The lock, and generators that run.
    pub running: RunningFields,
    /// Tasks.
    pub tasks: TaskFields,
    /// Of what threads count references by themselves (free-threaded, 3.14 on).
    pub counted_by_threads: Option<CountedByThreads>,
    /// Arenas.
    pub arenas: Arenas,
    /// log₂ of the size of an arena and of a pool.
    pub arena_bits: u8,
    /// Likewise.
    pub pool_bits: u8,
}

impl ObjectLayout {
    /// How much further from its beginning every field of an object lies than these tables and constants say: an
    /// object of a free-threaded build begins with a longer header, all else is the same.
    #[must_use]
    pub const fn shift(&self) -> u64 {
        if self.free_threaded { 16 } else { 0 }
    }

    /// Bytes of the collector's header before an object that it looks after.
    #[must_use]
    pub const fn collector_head(&self) -> u64 {
        if self.free_threaded { 0 } else { 16 }
    }

    /// Bytes of the block of a list's items before the first of them: without the GIL it says how many fit.
    #[must_use]
    pub const fn list_head(&self) -> u64 {
        if self.free_threaded { 8 } else { 0 }
    }

    /// Bytes of an object's own header.
    #[must_use]
    pub const fn header(&self) -> u64 {
        16 + self.shift()
    }

    /// The same with the places in the interpreter's state that the build itself publishes, which move between
    /// releases of a minor version.
    #[must_use]
    pub fn placed(&'static self, modules: u32, sysdict: u32, builtins: u32) -> &'static Self {
        static PLACED: Mutex<Vec<&'static ObjectLayout>> = Mutex::new(Vec::new());
        if (modules, sysdict, builtins) == (self.modules, self.sysdict, self.builtins) {
            return self;
        }
        let own = Self { modules, sysdict, builtins, ..*self };
        let mut placed = PLACED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = placed.iter().find(|known| ***known == own) {
            return known;
        }
        // One for each build that is met.
        let own: &'static Self = Box::leak(Box::new(own));
        placed.push(own);
        own
    }
}

/// Fields of a type object, the same from 3.8 on.
pub mod type_fields {
    /// Name.
    pub const NAME: u64 = 24;
    /// Size of an instance.
    pub const BASIC_SIZE: u64 = 32;
    /// Size of an item.
    pub const ITEM_SIZE: u64 = 40;
    /// Flags.
    pub const FLAGS: u64 = 168;
    /// Offset of the list of weak references in an instance.
    pub const WEAKLIST_OFFSET: u64 = 208;
    /// Base.
    pub const BASE: u64 = 256;
    /// Attributes.
    pub const DICT: u64 = 264;
    /// Offset of the dictionary in an instance.
    pub const DICT_OFFSET: u64 = 288;
    /// Pointers that every type holds.
    pub const HOLDS: &[super::Field] = &[
        (256, "__base__"),
        (264, "__dict__"),
        (336, "__bases__"),
        (344, "__mro__"),
        (352, "tp_cache"),
        (360, "__subclasses__"),
    ];
    /// Flag: values inside the instance (3.13 on).
    pub const INLINE_VALUES: u64 = 1 << 2;
    /// Flag: attributes before the instance.
    pub const MANAGED_DICT: u64 = 1 << 4;
    /// Flag: made at run time.
    pub const HEAP: u64 = 1 << 9;
    /// Flag: ready for use.
    pub const READY: u64 = 1 << 12;
    /// Flag: instances have a collector's header.
    pub const GC: u64 = 1 << 14;
    /// Flag: a metatype.
    pub const TYPE_SUBCLASS: u64 = 1 << 31;
    /// Flag: a kind of int.
    pub const INT_SUBCLASS: u64 = 1 << 24;
}
