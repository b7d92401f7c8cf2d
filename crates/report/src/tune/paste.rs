//! The recommendation in the forms in which it is pasted.

/// For systemd, a Dockerfile and a shell; lines of Python beside them.
pub(super) fn blocks(environment: &[(String, String)], python: &[String]) -> Vec<(&'static str, String)> {
    let each = |form: fn(&str, &str) -> String| {
        environment.iter().map(|(name, value)| form(name, value)).collect::<Vec<_>>().join("\n")
    };
    let all = [
        ("systemd", each(|name, value| format!("Environment=\"{name}={value}\""))),
        ("Dockerfile", each(|name, value| format!("ENV {name}=\"{value}\""))),
        ("sh", each(|name, value| format!("export {name}='{value}'"))),
        ("Python", python.join("\n")),
    ];
    all.into_iter().filter(|(_, block)| !block.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_every_variable() {
        let all = blocks(&[("A".into(), "1".into()), ("B".into(), "x:y".into())], &[]);
        assert_eq!(all[0].1, "Environment=\"A=1\"\nEnvironment=\"B=x:y\"");
        assert_eq!(all[1].1, "ENV A=\"1\"\nENV B=\"x:y\"");
        assert_eq!(all[2].1, "export A='1'\nexport B='x:y'");
        assert_eq!(all.len(), 3);
        assert_eq!(blocks(&[], &["import gc".into()]), [("Python", "import gc".to_owned())]);
    }
}
