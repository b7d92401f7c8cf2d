//! Every catalogue of texts in one place: every sentence that m5 says to people, in each language.

/// Lists the catalogues: an enum and its module each.
macro_rules! subjects {
    ($($name:ident in $($part:ident)::+;)*) => {
        $(pub use crate::$($part)::+::$name;)*

        #[cfg(test)]
        const ALL: &[&[(&str, &str, &str)]] = &[$($name::WORDINGS),*];
    };
}

subjects! {
    Alarm in rules::words;
    Alloc in alloc::words;
    DumpWords in dump::words;
    Stall in stalls::words;
    M5memWords in m5mem_page::words;
    Record in baseline::words;
    Gc in pauses::words;
    Compare in comparison::words;
    Fault in words::fault;
    Fleet in fleet::words;
    Heap in heap::words;
    History in baseline::history_words;
    Grows in baseline::layer_words;
    List in list::words;
    Goal in objectives::words;
    Part in heap::part_words;
    Snapshot in process::words;
    Bench in runs::words;
    Say in words::say;
    Serve in words::serve;
    SourceWords in pauses::source_words;
    Watch in words::watch;
    Top in words::top;
    Usage in words::usage;
    TuneWords in tune::words;
    TrimWords in trim::words;
    TuneFault in pauses::tuning_words;
    Soak in stress::words;
    WhyWords in why::words;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_take_the_same_values() {
        for (name, en, zh) in ALL.concat() {
            assert_eq!(en.matches("{}").count(), zh.matches("{}").count(), "{name}");
            assert!(!en.is_empty() && !zh.is_empty(), "{name}");
        }
    }
}
