//! The one catalogue of texts: every sentence that m5 says to people, in each language, a file per subject.
//!
//! An entry is added to the `catalogue!` of its subject as `Name: "English", "中文";`. `{}` stands for a
//! value; both languages take the same values in the same order (a test counts them).

/// Makes an enum of texts and their wording.
macro_rules! catalogue {
    ($(#[$doc:meta])* $name:ident { $($entry:ident: $en:expr, $zh:expr;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum $name { $($entry),* }

        impl $crate::Text for $name {
            fn template(self, lang: $crate::Lang) -> &'static str {
                match (self, lang) {
                    $(
                        (Self::$entry, $crate::Lang::En) => $en,
                        (Self::$entry, $crate::Lang::Zh) => $zh,
                    )*
                }
            }
        }

        #[cfg(test)]
        impl $name {
            pub(crate) const WORDINGS: &'static [(&'static str, &'static str, &'static str)] =
                &[$((stringify!($entry), $en, $zh)),*];
        }
    };
}

/// Lists the subjects: a file and its enum each.
macro_rules! subjects {
    ($($file:ident::$name:ident;)*) => {
        $(mod $file;)*
        $(pub use $file::$name;)*

        #[cfg(test)]
        const ALL: &[&[(&str, &str, &str)]] = &[$($name::WORDINGS),*];
    };
}

subjects! {
    alarm::Alarm;
    application::Said;
    baseline::Record;
    collector::Gc;
    compare::Compare;
    fault::Fault;
    fleet::Fleet;
    heap::Heap;
    layer::Grows;
    list::List;
    objectives::Goal;
    part::Part;
    process::Snapshot;
    runs::Bench;
    say::Say;
    serve::Serve;
    sight::Sight;
    watch::Watch;
    top::Top;
    tune_fault::TuneFault;
    stress::Soak;
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
