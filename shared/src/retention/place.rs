//! What a path in the image store is about, by its form. Pure.

use uuid::Uuid;

use crate::images::is_valid_path;

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `{user}/inputs/…` or `{user}/uploads/…`: a picture that a generation may start from.
    Input { user: Uuid },
    /// `{user}/{generation}/{name}`: what a generation made.
    Output { user: Uuid, generation: Uuid },
    /// Nothing of ours: it is left alone.
    Unexpected,
}

impl Place {
    pub(super) fn of(path: &str) -> Self {
        if !is_valid_path(path) {
            return Self::Unexpected;
        }
        let mut parts = path.splitn(3, '/');
        let (Some(user), Some(folder), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Self::Unexpected;
        };
        match (canonical(user), folder, canonical(folder)) {
            (Some(user), "inputs" | "uploads", _) => Self::Input { user },
            (Some(user), _, Some(generation)) if !name.contains('/') => Self::Output { user, generation },
            _ => Self::Unexpected,
        }
    }
}

/// A UUID in the one spelling that we write.
fn canonical(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|uuid| uuid.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_an_input_an_output_or_left_alone() {
        let (user, generation) = (Uuid::now_v7(), Uuid::now_v7());
        for path in ["inputs/0a.png", "uploads/a.png", "uploads/album/a b.png"] {
            assert_eq!(Place::of(&format!("{user}/{path}")), Place::Input { user }, "{path}");
        }
        assert_eq!(Place::of(&format!("{user}/{generation}/1.webp")), Place::Output { user, generation });
        let foreign = [
            format!("{user}/{generation}/more/1.webp"),
            format!("{user}/avatar.png"),
            format!("{user}/thumbnails/1.png"),
            format!("{}/inputs/a.png", user.to_string().to_uppercase()),
            format!("{}/inputs/a.png", user.simple()),
            format!("{user}/../{generation}/1.webp"),
            format!("{user}/uploads/é.png"),
            "backup/dump.sql".to_owned(),
            user.to_string(),
            String::new(),
        ];
        for path in foreign {
            assert_eq!(Place::of(&path), Place::Unexpected, "{path}");
        }
    }
}
