//! Which storage paths exist at all: the characters the hosted store allows, narrowed by what is safe as a file name.

use super::StoreError;

/// Longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 1024;

/// Longest name between two slashes, in bytes. File systems stop at 255, and a file being written carries a short suffix.
pub const SEGMENT_BYTES_MAX: usize = 240;

/// Whether `path` may name an object: `a/b/c.ext` of `A-Z a-z 0-9 _ ! . * ' ( ) & $ = @ ; : + , ? -` and spaces,
/// without empty names, `.`, or two dots in a row, at most [`PATH_BYTES_MAX`] long.
pub fn is_valid_path(path: &str) -> bool {
    path.len() <= PATH_BYTES_MAX && !path.contains("..") && path.split('/').all(is_valid_segment)
}

fn is_valid_segment(segment: &str) -> bool {
    !segment.is_empty() && segment != "." && segment.len() <= SEGMENT_BYTES_MAX && segment.bytes().all(is_allowed)
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_!.*'() &$=@;:+,?-".contains(&byte)
}

pub(super) fn check(path: &str) -> Result<(), StoreError> {
    if is_valid_path(path) {
        return Ok(());
    }
    Err(StoreError::rejected("not a storage path"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn our_own_paths_are_valid() {
        let user = uuid::Uuid::nil();
        assert!(is_valid_path(&format!("{user}/{user}/1.webp")));
        assert!(is_valid_path(&format!("{user}/uploads/my photo (1).jpg")));
    }

    #[test]
    fn paths_that_leave_their_folder_or_name_nothing_are_refused() {
        for path in ["", "/", "/a", "a/", "a//b", ".", "./a", "a/.", "..", "../a", "a/../b", "a/..", "a..b", "a\\b"] {
            assert!(!is_valid_path(path), "{path}");
        }
    }

    #[test]
    fn characters_the_store_refuses_are_refused() {
        for path in
            ["é.png", "a#1", "a%2e", "a\0b", "a\nb", "a\tb", "<a>", "a|b", "a\"b", "~a", "a^b", "{a}", "[a]", "`a`"]
        {
            assert!(!is_valid_path(path), "{path}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(is_valid_path(&"a".repeat(SEGMENT_BYTES_MAX)));
        assert!(!is_valid_path(&"a".repeat(SEGMENT_BYTES_MAX + 1)));
        let longest = format!("{}a", "a/".repeat(PATH_BYTES_MAX / 2 - 1));
        assert!(is_valid_path(&longest));
        assert!(!is_valid_path(&format!("{}a", "a/".repeat(PATH_BYTES_MAX / 2))));
    }

    proptest! {
        /// A valid path stays below its folder however the file system or a URL parser reads it.
        #[test]
        fn a_valid_path_stays_where_it_is(path in "[-a-zA-Z0-9_!.*'() &$=@;:+,?/]{1,60}") {
            if is_valid_path(&path) {
                let parts: Vec<_> = std::path::Path::new(&path).components().collect();
                prop_assert_eq!(parts.len(), path.split('/').count());
                let only_names = parts.iter().all(|part| matches!(part, std::path::Component::Normal(_)));
                prop_assert!(only_names);
                let parsed = object_store::path::Path::parse(&path).expect("the local store must take every valid path");
                prop_assert_eq!(parsed.as_ref(), path.as_str());
            }
        }

        #[test]
        fn joining_valid_names_gives_a_valid_path(names in prop::collection::vec("[a-zA-Z0-9_-]{1,20}(\\.[a-z]{1,4})?", 1..6)) {
            let path = names.join("/");
            prop_assert!(is_valid_path(&path));
        }

        #[test]
        fn anything_else_never_panics(path in "\\PC{0,80}") {
            let _ = is_valid_path(&path);
        }
    }
}
