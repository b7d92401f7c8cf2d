//! The recommendation in the forms in which it is pasted.

/// For systemd, a Dockerfile and a shell.
pub(super) fn blocks(environment: &[(String, String)]) -> Vec<(&'static str, String)> {
    let each = |form: fn(&str, &str) -> String| {
        environment.iter().map(|(name, value)| form(name, value)).collect::<Vec<_>>().join("\n")
    };
    vec![
        ("systemd", each(|name, value| format!("Environment=\"{name}={value}\""))),
        ("Dockerfile", each(|name, value| format!("ENV {name}=\"{value}\""))),
        ("sh", each(|name, value| format!("export {name}='{value}'"))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_every_variable() {
        let all = blocks(&[("A".into(), "1".into()), ("B".into(), "x:y".into())]);
        assert_eq!(all[0].1, "Environment=\"A=1\"\nEnvironment=\"B=x:y\"");
        assert_eq!(all[1].1, "ENV A=\"1\"\nENV B=\"x:y\"");
        assert_eq!(all[2].1, "export A='1'\nexport B='x:y'");
    }
}
