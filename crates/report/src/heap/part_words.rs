//! Parts of memory: the stable identifiers of an account of RSS, and what people call them.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Parts of RSS.
    Part {
        Rss: "all of RSS", "RSS 总计";
        RssAndSwap: "all of RSS and swap", "RSS 与交换区总计";
        PythonObjects: "Python objects", "Python 对象";
        PythonBuffers: "their buffers", "对象的缓冲区";
        ArrayData: "array data", "数组数据";
        BytearrayData: "bytearray data", "bytearray 数据";
        DictTables: "dict tables", "字典表";
        SetTables: "set tables", "集合表";
        ListItems: "list items", "列表元素";
        InstanceValues: "instance values", "实例属性值";
        Pymalloc: "pymalloc besides objects", "pymalloc（对象之外）";
        PymallocFreeBlocks: "free blocks in used pools", "已用内存池中的空闲块";
        PymallocFreePools: "free pools", "空闲内存池";
        PymallocOtherBlocks: "blocks that are no objects", "非对象内存块";
        PymallocFreeLists: "freed objects on the interpreter's free lists", "解释器空闲链表上的已释放对象";
        PymallocOverhead: "overhead", "管理开销";
        NativeHeap: "native heap (malloc)", "原生堆（malloc）";
        NativeBlocks: "blocks in use", "使用中的块";
        NativeFreeLists: "freed objects on the interpreter's free lists", "解释器空闲链表上的已释放对象";
        NativeFree: "free, not returned", "空闲但未归还";
        NativeTop: "free at the top", "堆顶空闲";
        NativeOverhead: "overhead", "管理开销";
        NativeUnknown: "in use or free (an allocator that m5 does not know)", "使用中或空闲（m5 不认识的分配器）";
        Libraries: "code and data of files", "程序与库文件";
        Stacks: "stacks", "栈";
        MainStack: "main thread", "主线程";
        ThreadStacks: "other threads", "其他线程";
        PythonFrames: "Python frames", "Python 栈帧";
        SharedMemory: "shared memory", "共享内存";
        KernelPages: "pages of the kernel", "内核页";
        GeneratedCode: "code made at run time (JIT)", "运行时生成的代码（JIT）";
        OtherAnonymous: "anonymous memory of unknown use", "用途不明的匿名内存";
        OtherTypes: "other types", "其他类型";
        Unexplained: "unexplained", "未解释";
    }
}

impl Part {
    /// The part with this identifier; names of types and files are none.
    #[must_use]
    pub fn of(identifier: &str) -> Option<Self> {
        Some(match identifier {
            "rss" => Part::Rss,
            "rss_and_swap" => Part::RssAndSwap,
            "python_objects" => Part::PythonObjects,
            "python_buffers" => Part::PythonBuffers,
            "array_data" => Part::ArrayData,
            "bytearray_data" => Part::BytearrayData,
            "dict_tables" => Part::DictTables,
            "set_tables" => Part::SetTables,
            "list_items" => Part::ListItems,
            "instance_values" => Part::InstanceValues,
            "pymalloc" => Part::Pymalloc,
            "pymalloc_free_blocks" => Part::PymallocFreeBlocks,
            "pymalloc_free_pools" => Part::PymallocFreePools,
            "pymalloc_other_blocks" => Part::PymallocOtherBlocks,
            "pymalloc_free_lists" => Part::PymallocFreeLists,
            "pymalloc_overhead" => Part::PymallocOverhead,
            "native_heap" => Part::NativeHeap,
            "native_blocks" => Part::NativeBlocks,
            "native_free_lists" => Part::NativeFreeLists,
            "native_free" => Part::NativeFree,
            "native_top" => Part::NativeTop,
            "native_overhead" => Part::NativeOverhead,
            "native_unknown" => Part::NativeUnknown,
            "libraries" => Part::Libraries,
            "stacks" => Part::Stacks,
            "main_stack" => Part::MainStack,
            "thread_stacks" => Part::ThreadStacks,
            "python_frames" => Part::PythonFrames,
            "shared_memory" => Part::SharedMemory,
            "kernel_pages" => Part::KernelPages,
            "generated_code" => Part::GeneratedCode,
            "other_anonymous" => Part::OtherAnonymous,
            "other_types" => Part::OtherTypes,
            "unexplained" => Part::Unexplained,
            _ => return None,
        })
    }

    /// Every identifier.
    pub const IDENTIFIERS: [&'static str; 34] = [
        "rss",
        "rss_and_swap",
        "python_objects",
        "python_buffers",
        "array_data",
        "bytearray_data",
        "dict_tables",
        "set_tables",
        "list_items",
        "instance_values",
        "pymalloc",
        "pymalloc_free_blocks",
        "pymalloc_free_pools",
        "pymalloc_other_blocks",
        "pymalloc_free_lists",
        "pymalloc_overhead",
        "native_heap",
        "native_blocks",
        "native_free_lists",
        "native_free",
        "native_top",
        "native_overhead",
        "native_unknown",
        "libraries",
        "stacks",
        "main_stack",
        "thread_stacks",
        "python_frames",
        "shared_memory",
        "kernel_pages",
        "generated_code",
        "other_anonymous",
        "other_types",
        "unexplained",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_has_a_name() {
        assert!(Part::IDENTIFIERS.iter().all(|i| Part::of(i).is_some()));
        assert_eq!(Part::of("numpy.ndarray"), None);
    }
}
