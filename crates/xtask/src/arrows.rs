//! The arrows between the crates, as data: what is not listed is forbidden. Roles never import each other.

/// A crate, what it may depend on, and what only its tests may.
pub(crate) const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("core", &[], &[]),
    ("wire", &[], &[]),
    ("sys", &[], &[]),
    ("journal", &["core"], &[]),
    ("backends", &["core", "journal", "sys"], &[]),
    ("comet", &["core", "wire", "sys"], &["backends"]),
    ("client", &["wire"], &[]),
    ("logic", &["core", "wire"], &["backends"]),
    ("answer", &["core", "wire"], &["backends"]),
    ("pusher", &["core", "wire"], &["backends"]),
    ("store", &["core", "wire"], &["backends"]),
    ("listener", &["core"], &[]),
    ("admin", &["core", "listener"], &[]),
    ("grpc", &["core", "listener", "wire"], &[]),
    ("bench", &["client", "wire"], &[]),
    (
        "halley",
        &[
            "admin", "answer", "backends", "bench", "client", "comet", "core", "grpc", "journal", "logic",
            "pusher", "store", "sys", "wire",
        ],
        &[],
    ),
    (
        "testkit",
        &[
            "admin", "answer", "backends", "client", "comet", "core", "grpc", "halley", "journal", "logic",
            "pusher", "store", "wire",
        ],
        &[],
    ),
    ("xtask", &[], &[]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workspace::{crate_names, manifest};

    fn ours(table: Option<&toml::Value>) -> BTreeSet<String> {
        let keys = table.and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
        keys.filter_map(|key| {
            if key == "halley" { Some(key.clone()) } else { key.strip_prefix("halley-").map(str::to_owned) }
        })
        .collect()
    }

    #[test]
    fn crates_depend_only_along_the_arrows() {
        let mut wrong = Vec::new();
        let listed: BTreeSet<_> = ARROWS.iter().map(|(name, _, _)| (*name).to_owned()).collect();
        assert_eq!(listed, crate_names(), "every crate has its line in ARROWS");
        for (name, may, tests_may) in ARROWS {
            let manifest = manifest(name);
            for (section, extra) in [("dependencies", &[] as &[&str]), ("dev-dependencies", tests_may)] {
                for found in ours(manifest.get(section)) {
                    if !may.contains(&found.as_str()) && !extra.contains(&found.as_str()) {
                        wrong.push(format!("{name} -> {found} ({section})"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "forbidden arrows: {wrong:#?}");
    }

    #[test]
    fn every_crate_takes_the_lints_of_the_workspace() {
        // `sys` alone may say unsafe, and so has a table of its own.
        for name in crate_names().into_iter().filter(|name| name != "sys") {
            let lints = manifest(&name).get("lints").and_then(|lints| lints.get("workspace")).cloned();
            assert_eq!(lints, Some(toml::Value::Boolean(true)), "{name}");
        }
    }
}
