//! Style as a test: sizes of files, what `lib.rs` and `mod.rs` may hold.

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::workspace::{root, sources};

    /// Lines outside tests beyond which a file is split.
    const LINES_MAX: usize = 500;
    /// Files that may be longer, and why.
    const LONGER: &[(&str, &str)] = &[];

    fn is_product(path: &Path) -> bool {
        let text = path.to_string_lossy();
        !["/tests/", "/benches/", "/gen/", "/examples/"].iter().any(|part| text.contains(part))
    }

    fn lines_outside_tests(text: &str) -> usize {
        text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
    }

    #[test]
    fn files_are_short_enough_to_be_read() {
        let mut wrong = Vec::new();
        for (path, text) in sources().iter().filter(|(path, _)| is_product(path)) {
            let shown = path.strip_prefix(root()).expect("inside the workspace").display().to_string();
            let lines = lines_outside_tests(text);
            if lines > LINES_MAX && !LONGER.iter().any(|(allowed, _)| *allowed == shown) {
                wrong.push(format!("{shown}: {lines} lines"));
            }
        }
        assert!(wrong.is_empty(), "longer than {LINES_MAX} lines outside tests: {wrong:#?}");
    }

    #[test]
    fn the_roots_of_crates_and_modules_hold_no_code() {
        let mut wrong = Vec::new();
        for (path, text) in sources().iter().filter(|(path, _)| is_product(path)) {
            if path.file_name().is_some_and(|name| name == "lib.rs")
                && text.lines().any(|line| {
                    line.starts_with("fn ") || line.starts_with("impl ") || line.starts_with("pub fn ")
                })
            {
                wrong.push(path.display().to_string());
            }
        }
        assert!(wrong.is_empty(), "code in lib.rs: {wrong:#?}");
    }

    #[test]
    fn every_module_says_what_it_is() {
        let undocumented =
            sources().into_iter().filter(|(path, text)| is_product(path) && !text.starts_with("//!"));
        let undocumented: Vec<_> = undocumented.map(|(path, _)| path.display().to_string()).collect();
        assert!(undocumented.is_empty(), "without a module comment: {undocumented:#?}");
    }
}
