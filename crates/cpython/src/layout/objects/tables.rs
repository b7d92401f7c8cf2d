//! The tables themselves, oldest version first; each names only what changed since the one before.

use super::{Arenas, CountedByThreads, Field, FrameFields, Frames, Keys, Managed, ObjectLayout};
use crate::layout::asyncio::{TaskFields, TaskLists};
use crate::layout::lines::LineFields;
use crate::layout::running::{Executing, GilAt, RunningFields};
use crate::lines::LineTable;

const FUNCTION_38: &[Field] = &[
    (16, "__code__"),
    (24, "__globals__"),
    (32, "__defaults__"),
    (40, "__kwdefaults__"),
    (48, "__closure__"),
    (56, "__doc__"),
    (64, "__name__"),
    (72, "__dict__"),
    (88, "__module__"),
    (96, "__annotations__"),
    (104, "__qualname__"),
];
const FUNCTION_310: &[Field] = &[
    (16, "__globals__"),
    (24, "__builtins__"),
    (32, "__name__"),
    (40, "__qualname__"),
    (48, "__code__"),
    (56, "__defaults__"),
    (64, "__kwdefaults__"),
    (72, "__closure__"),
    (80, "__doc__"),
    (88, "__dict__"),
    (104, "__module__"),
    (112, "__annotations__"),
];
const FUNCTION_312: &[Field] = &[
    (16, "__globals__"),
    (24, "__builtins__"),
    (32, "__name__"),
    (40, "__qualname__"),
    (48, "__code__"),
    (56, "__defaults__"),
    (64, "__kwdefaults__"),
    (72, "__closure__"),
    (80, "__doc__"),
    (88, "__dict__"),
    (104, "__module__"),
    (112, "__annotations__"),
    (120, "__type_params__"),
];
const FUNCTION_314: &[Field] = &[
    (16, "__globals__"),
    (24, "__builtins__"),
    (32, "__name__"),
    (40, "__qualname__"),
    (48, "__code__"),
    (56, "__defaults__"),
    (64, "__kwdefaults__"),
    (72, "__closure__"),
    (80, "__doc__"),
    (88, "__dict__"),
    (104, "__module__"),
    (112, "__annotations__"),
    (120, "__annotate__"),
    (128, "__type_params__"),
];
const CODE_38: &[Field] = &[
    (48, "co_code"),
    (56, "co_consts"),
    (64, "co_names"),
    (72, "co_varnames"),
    (80, "co_freevars"),
    (88, "co_cellvars"),
    (104, "co_filename"),
    (112, "co_name"),
    (120, "co_lnotab"),
];
const CODE_310: &[Field] = &[
    (48, "co_code"),
    (56, "co_consts"),
    (64, "co_names"),
    (72, "co_varnames"),
    (80, "co_freevars"),
    (88, "co_cellvars"),
    (104, "co_filename"),
    (112, "co_name"),
    (120, "co_linetable"),
];
const CODE_311: &[Field] = &[
    (24, "co_consts"),
    (32, "co_names"),
    (40, "co_exceptiontable"),
    (96, "co_localsplusnames"),
    (104, "co_localspluskinds"),
    (112, "co_filename"),
    (120, "co_name"),
    (128, "co_qualname"),
    (136, "co_linetable"),
    (152, "_co_code"),
];
const CODE_312: &[Field] = &[
    (24, "co_consts"),
    (32, "co_names"),
    (40, "co_exceptiontable"),
    (96, "co_localsplusnames"),
    (104, "co_localspluskinds"),
    (112, "co_filename"),
    (120, "co_name"),
    (128, "co_qualname"),
    (136, "co_linetable"),
];
const HEAP_TYPE_38: &[Field] = &[(848, "__name__"), (856, "__slots__"), (864, "__qualname__")];
const HEAP_TYPE_39: &[Field] =
    &[(840, "__name__"), (848, "__slots__"), (856, "__qualname__"), (872, "ht_module")];
const HEAP_TYPE_310: &[Field] =
    &[(848, "__name__"), (856, "__slots__"), (864, "__qualname__"), (880, "ht_module")];
const HEAP_TYPE_312: &[Field] =
    &[(856, "__name__"), (864, "__slots__"), (872, "__qualname__"), (888, "ht_module")];
const HEAP_TYPE_315: &[Field] =
    &[(864, "__name__"), (872, "__slots__"), (880, "__qualname__"), (896, "ht_module")];

const FRAME_311: FrameFields = FrameFields {
    current: 56,
    through: Some(8),
    code: 32,
    previous: 48,
    holds: &[(0, "f_func"), (24, "f_locals"), (32, "f_code"), (40, "frame_obj")],
    top: 64,
    top_is_pointer: false,
    locals: 72,
    object_frame: 24,
    object_inline: 48,
    generator_state: 75,
    generator_over: 1,
    generator_frame: 80,
    code_names: 96,
    code_locals: 76,
    code_stack: 68,
};
const FRAME_312: FrameFields = FrameFields {
    through: Some(0),
    code: 0,
    previous: 8,
    holds: &[(0, "f_code"), (16, "f_func"), (40, "f_locals"), (48, "frame_obj")],
    generator_state: 67,
    generator_frame: 72,
    code_locals: 72,
    code_stack: 64,
    ..FRAME_311
};
const FRAME_313: FrameFields = FrameFields { current: 72, through: None, object_inline: 64, ..FRAME_312 };
const FRAME_314: FrameFields =
    FrameFields { top_is_pointer: true, locals: 80, object_inline: 72, ..FRAME_313 };
const FRAME_315: FrameFields = FrameFields { generator_over: 5, ..FRAME_314 };

const V38: ObjectLayout = ObjectLayout {
    minor: 8,
    free_threaded: false,
    immortal: false,
    flagged_counts: false,
    tuple_items: 24,
    preheader: 0,
    static_types_have_head: false,
    managed: Managed::None,
    keys: Keys::Sized,
    frames: Frames::Objects { current: 24, locals: 360, depth: None },
    str_kind: 2,
    str_ascii: 48,
    str_compact: 72,
    int_tagged: false,
    int_least_digits: 0,
    type_size: 416,
    heap_type_size: 880,
    heap_type: HEAP_TYPE_38,
    qualname: 864,
    cached_keys: 872,
    bytearray_object: None,
    queue_ring: None,
    ctypes_format: None,
    function: FUNCTION_38,
    code: CODE_38,
    code_cell2arg: Some(96),
    code_executors: None,
    code_file: 104,
    code_name: 112,
    code_line: 40,
    modules: 56,
    sysdict: 72,
    builtins: 80,
    threads: 8,
    thread_next: 8,
    native_thread: None,
    thread_dict: 152,
    data_stack: None,
    lines: LineFields::index(104, 1, LineTable::Increments),
    running: RunningFields { gil: GilAt::Runtime(1152), executing: Executing::Generator(24) },
    tasks: TaskFields::at(104, 72, None),
    counted_by_threads: None,
    arenas: Arenas::Symbols,
    arena_bits: 18,
    pool_bits: 12,
};
const V39: ObjectLayout = ObjectLayout {
    minor: 9,
    type_size: 408,
    heap_type: HEAP_TYPE_39,
    qualname: 856,
    cached_keys: 864,
    modules: 856,
    sysdict: 872,
    builtins: 880,
    running: RunningFields { gil: GilAt::Runtime(352), executing: Executing::Generator(24) },
    tasks: TaskFields::at(144, 80, None),
    ..V38
};
const V310: ObjectLayout = ObjectLayout {
    minor: 10,
    frames: Frames::Objects { current: 24, locals: 352, depth: Some(80) },
    heap_type_size: 888,
    heap_type: HEAP_TYPE_310,
    qualname: 864,
    cached_keys: 872,
    function: FUNCTION_310,
    code: CODE_310,
    arena_bits: 20,
    pool_bits: 14,
    lines: LineFields::index(96, 2, LineTable::Ranges),
    running: RunningFields { gil: GilAt::Runtime(352), executing: Executing::Frame(108) },
    tasks: TaskFields::at(152, 88, None),
    ..V39
};
const V311: ObjectLayout = ObjectLayout {
    minor: 11,
    preheader: 1 << 4,
    static_types_have_head: true,
    int_least_digits: 1,
    managed: Managed::ValuesAndDict,
    keys: Keys::Logarithmic,
    frames: Frames::Interpreter(FRAME_311),
    heap_type_size: 904,
    code: CODE_311,
    code_cell2arg: None,
    code_file: 112,
    code_name: 128,
    code_line: 72,
    modules: 888,
    sysdict: 904,
    builtins: 912,
    threads: 16,
    native_thread: Some(160),
    thread_dict: 128,
    data_stack: Some(296),
    lines: LineFields::pointer(184, None),
    running: RunningFields { gil: GilAt::Runtime(360), executing: Executing::BeforeOver },
    tasks: TaskFields::at(128, 88, None),
    ..V310
};
const V312: ObjectLayout = ObjectLayout {
    minor: 12,
    immortal: true,
    preheader: 1 << 3 | 1 << 4,
    managed: Managed::Tagged,
    frames: Frames::Interpreter(FRAME_312),
    str_ascii: 40,
    str_compact: 56,
    int_tagged: true,
    type_size: 416,
    heap_type_size: 920,
    heap_type: HEAP_TYPE_312,
    qualname: 872,
    cached_keys: 880,
    function: FUNCTION_312,
    code: CODE_312,
    code_line: 68,
    modules: 944,
    sysdict: 352,
    builtins: 360,
    threads: 72,
    native_thread: Some(144),
    thread_dict: 112,
    data_stack: Some(232),
    arenas: Arenas::Interpreter(4472),
    lines: LineFields::pointer(192, Some((70, 3))),
    running: RunningFields { gil: GilAt::Interpreter(384), executing: Executing::BeforeOver },
    ..V311
};
const V313: ObjectLayout = ObjectLayout {
    minor: 13,
    ctypes_format: Some(136),
    code_executors: Some(152),
    static_types_have_head: false,
    managed: Managed::Inline,
    frames: Frames::Interpreter(FRAME_313),
    heap_type_size: 928,
    modules: 7656,
    sysdict: 7640,
    builtins: 7648,
    threads: 7344,
    native_thread: Some(160),
    thread_dict: 128,
    data_stack: Some(232),
    arenas: Arenas::Behind(10_800, 512),
    lines: LineFields::pointer(200, Some((70, 3))),
    running: RunningFields { gil: GilAt::Interpreter(16), executing: Executing::BeforeOver },
    tasks: TaskFields::at(112, 96, None),
    ..V312
};

const V314: ObjectLayout = ObjectLayout {
    minor: 14,
    ctypes_format: Some(144),
    flagged_counts: true,
    tuple_items: 32,
    frames: Frames::Interpreter(FRAME_314),
    heap_type_size: 936,
    function: FUNCTION_314,
    modules: 7688,
    sysdict: 7672,
    builtins: 7680,
    arenas: Arenas::Behind(10_904, 512),
    lines: LineFields::pointer(208, Some((74, 3))),
    tasks: TaskFields::at(120, 104, Some(TaskLists { node: 152, interpreter: 10_880, thread: 880 })),
    ..V313
};
const V315: ObjectLayout = ObjectLayout {
    minor: 15,
    bytearray_object: Some(56),
    queue_ring: Some(40),
    frames: Frames::Interpreter(FRAME_315),
    type_size: 424,
    heap_type_size: 944,
    heap_type: HEAP_TYPE_315,
    qualname: 880,
    cached_keys: 888,
    modules: 7592,
    sysdict: 7576,
    builtins: 7584,
    threads: 7336,
    native_thread: Some(184),
    thread_dict: 152,
    data_stack: Some(256),
    arenas: Arenas::Behind(10_880, 512),
    tasks: TaskFields::at(120, 104, Some(TaskLists { node: 152, interpreter: 10_856, thread: 1048 })),
    ..V314
};

// Without the GIL: sizes count the longer header, offsets do not (see `ObjectLayout::shift`).
const FREE_313: ObjectLayout = ObjectLayout {
    free_threaded: true,
    type_size: 432,
    heap_type_size: 944,
    modules: 7664,
    sysdict: 7648,
    builtins: 7656,
    ..V313
};
const FREE_314: ObjectLayout = ObjectLayout {
    free_threaded: true,
    str_kind: 8,
    type_size: 432,
    heap_type_size: 960,
    counted_by_threads: Some(CountedByThreads { class: 936, code: 184, dict: 28 }),
    modules: 7712,
    sysdict: 7696,
    builtins: 7704,
    lines: LineFields::copied(216, Some((78, 3))),
    ..V314
};
const FREE_315: ObjectLayout = ObjectLayout {
    free_threaded: true,
    str_kind: 8,
    type_size: 440,
    heap_type_size: 968,
    counted_by_threads: Some(CountedByThreads { class: 944, code: 184, dict: 28 }),
    lines: LineFields::copied(216, Some((78, 3))),
    ..V315
};

/// Every version that m5 knows.
pub const OBJECTS: &[ObjectLayout] =
    &[V38, V39, V310, V311, V312, V313, V314, V315, FREE_313, FREE_314, FREE_315];
