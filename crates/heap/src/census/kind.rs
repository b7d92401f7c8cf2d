//! The kinds of objects whose layout m5 knows.

use m5_cpython::layout::objects::type_fields as tf;

/// How an object is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A struct whose words are scanned.
    Plain,
    /// Refers to nothing.
    Leaf,
    /// An integer.
    Int,
    /// A string.
    Str,
    /// Bytes.
    Bytes,
    /// A bytearray.
    ByteArray,
    /// A list.
    List,
    /// A tuple.
    Tuple,
    /// A dictionary.
    Dict,
    /// An ordered dictionary.
    OrderedDict,
    /// A set or frozenset.
    Set,
    /// A deque.
    Deque,
    /// A weak reference or proxy.
    Weakref,
    /// A class.
    Type,
    /// A function.
    Function,
    /// A code object.
    Code,
    /// A frame.
    Frame,
    /// A generator, coroutine or asynchronous generator.
    Generator,
    /// A NumPy array.
    NdArray,
    /// The wrapper of `functools.lru_cache` with its ring of entries.
    LruCache,
    /// One such entry.
    LruEntry,
}

impl Kind {
    /// By the name that C gives the type.
    pub(crate) fn by_name(name: &str, flags: u64) -> Self {
        match name {
            "type" => Self::Type,
            "list" => Self::List,
            "tuple" => Self::Tuple,
            "dict" | "frozendict" => Self::Dict,
            "collections.OrderedDict" => Self::OrderedDict,
            "set" | "frozenset" => Self::Set,
            "collections.deque" => Self::Deque,
            "weakref" | "weakproxy" | "weakcallableproxy" => Self::Weakref,
            "weakref.ReferenceType" | "weakref.ProxyType" | "weakref.CallableProxyType" => Self::Weakref,
            "function" => Self::Function,
            "code" => Self::Code,
            "frame" => Self::Frame,
            "generator" | "coroutine" | "async_generator" => Self::Generator,
            "str" => Self::Str,
            "bytes" => Self::Bytes,
            "bytearray" => Self::ByteArray,
            "float" | "complex" | "NoneType" | "ellipsis" | "NotImplementedType" => Self::Leaf,
            "numpy.ndarray" => Self::NdArray,
            "functools._lru_cache_wrapper" => Self::LruCache,
            "functools._lru_list_elem" => Self::LruEntry,
            "int" if flags & tf::INT_SUBCLASS != 0 => Self::Int,
            _ => Self::Plain,
        }
    }
}
