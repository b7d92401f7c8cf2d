//! What kind of link a type is in a chain of references: it decides how good a path through it reads.

use crate::HeapGraph;

/// Kinds of objects as links of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A module.
    Module,
    /// A dictionary of any kind.
    Dict,
    /// Lists, tuples, sets, deques: items without names.
    Sequence,
    /// A class.
    Type,
    /// A function or another callable of the interpreter's own.
    Function,
    /// Frames, generators, coroutines, tracebacks: the machinery of running code.
    Execution,
    /// Cells, links of an LRU cache, iterators, bound methods: plumbing between things with names.
    Plumbing,
    /// Strings, numbers, bytes: they hold nothing.
    Plain,
    /// Everything else: instances of classes with a name of their own.
    Instance,
}

impl Class {
    /// Sorts a type by its module-qualified name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name.strip_prefix("builtins.").unwrap_or(name) {
            "module" => Self::Module,
            "dict" | "collections.OrderedDict" | "collections.defaultdict" | "mappingproxy" => Self::Dict,
            "list" | "tuple" | "set" | "frozenset" | "collections.deque" => Self::Sequence,
            "type" | "abc.ABCMeta" | "enum.EnumMeta" | "enum.EnumType" => Self::Type,
            "function" | "builtin_function_or_method" | "classmethod" | "staticmethod" | "property" => {
                Self::Function
            }
            "frame" | "generator" | "coroutine" | "async_generator" | "traceback" | "code" | "moduledef" => {
                Self::Execution
            }
            "cell"
            | "method"
            | "method-wrapper"
            | "functools._lru_list_elem"
            | "functools._lru_cache_wrapper"
            | "functools.partial"
            | "functools._HashedSeq"
            | "member_descriptor"
            | "getset_descriptor"
            | "wrapper_descriptor"
            | "method_descriptor"
            | "weakref"
            | "weakref.ReferenceType" => Self::Plumbing,
            "str" | "bytes" | "bytearray" | "int" | "float" | "bool" | "complex" | "NoneType" => Self::Plain,
            other if other.ends_with("_iterator") || other.ends_with("iterator") => Self::Plumbing,
            _ => Self::Instance,
        }
    }

    /// Cost of a step out of such an object: a path through named things beats a shorter one through code.
    pub(crate) fn step_cost(self) -> u32 {
        match self {
            Self::Module | Self::Dict => 1,
            Self::Sequence | Self::Instance | Self::Plain => 2,
            Self::Type | Self::Plumbing => 4,
            Self::Function | Self::Execution => 8,
        }
    }
}

/// The class of every type of a graph.
#[must_use]
pub fn classes(graph: &HeapGraph) -> Vec<Class> {
    graph.types.iter().map(|t| Class::of(&t.name)).collect()
}
