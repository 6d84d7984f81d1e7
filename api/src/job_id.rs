//! Finds the top-level `id` of a JSON object while it streams by. Pure.
//!
//! A webhook's body holds a job's input and output and may be tens of megabytes; this keeps a few dozen bytes of it.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;

/// Longest name or id that is kept. Provider ids have at most 128 characters.
const KEPT_BYTES_MAX: usize = 128;
/// The name that is looked for.
const NAME: &[u8] = b"id";

/// Reads JSON in pieces of any size. What is no JSON gives no id, or one that nobody knows: both are harmless.
#[derive(Debug, Default)]
pub(crate) struct JobIdScanner {
    /// Objects and arrays that are open.
    depth: u32,
    /// Whether the outermost value is an object.
    in_object: bool,
    place: Place,
    /// Inside a string, and whether the byte before was its escape.
    string: Option<Text>,
    job_id: Option<String>,
}

/// Where in the outermost object the scanner is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A name comes next.
    #[default]
    Name,
    /// The value of another name.
    OtherValue,
    /// The value that is looked for.
    IdValue,
}

/// A string that is being read.
#[derive(Debug, Default)]
struct Text {
    kept: Vec<u8>,
    escaped: bool,
    /// Too long, escaped or nested: read past, not kept.
    dropped: bool,
}

impl JobIdScanner {
    /// Reads the next piece.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.job_id.is_some() {
            return;
        }
        for byte in bytes {
            match self.string.take() {
                Some(text) => self.continue_string(text, *byte),
                None => self.structure(*byte),
            }
        }
    }

    /// The id, if one was found.
    pub(crate) fn job_id(&self) -> Option<&str> {
        self.job_id.as_deref()
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b'"' => {
                let dropped = self.depth != 1 || !self.in_object || self.place == Place::OtherValue;
                self.string = Some(Text { dropped, ..Text::default() });
            }
            b'{' | b'[' => {
                if self.depth == 0 {
                    self.in_object = byte == b'{';
                }
                self.depth = self.depth.saturating_add(1);
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' if self.depth == 1 => self.place = Place::Name,
            _ => {}
        }
    }

    fn continue_string(&mut self, mut text: Text, byte: u8) {
        match byte {
            _ if text.escaped => text.escaped = false,
            b'\\' => (text.escaped, text.dropped) = (true, true),
            b'"' => return self.end_string(&text),
            _ if text.dropped => {}
            _ if text.kept.len() == KEPT_BYTES_MAX => text.dropped = true,
            _ => text.kept.push(byte),
        }
        self.string = Some(text);
    }

    fn end_string(&mut self, text: &Text) {
        if self.depth != 1 {
            return;
        }
        self.place = match self.place {
            Place::Name if !text.dropped && text.kept == NAME => Place::IdValue,
            Place::IdValue if !text.dropped && self.job_id.is_none() => {
                self.job_id = String::from_utf8(text.kept.clone()).ok();
                Place::OtherValue
            }
            Place::Name | Place::IdValue | Place::OtherValue => Place::OtherValue,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
    use serde_json::{Value, json};

    use super::JobIdScanner;

    fn scan(text: &str, piece_bytes: usize) -> Option<String> {
        let mut scanner = JobIdScanner::default();
        text.as_bytes().chunks(piece_bytes).for_each(|piece| scanner.push(piece));
        scanner.job_id().map(str::to_owned)
    }

    #[test]
    fn the_id_is_found_wherever_it_stands() {
        let body = json!({"delayTime": 4736, "input": {"id": "not-this"}, "output": [{"id": "nor-this"}, "id"],
            "error": "a \"quoted\" {id", "id": "job-1-e1", "status": "COMPLETED"});
        assert_eq!(scan(&body.to_string(), 3).as_deref(), Some("job-1-e1"));
        assert_eq!(scan(&serde_json::to_string_pretty(&body).unwrap(), 1).as_deref(), Some("job-1-e1"));
    }

    #[test]
    fn what_tells_no_id_gives_none() {
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(129));
        for text in [
            "",
            "null",
            "id",
            r#""id""#,
            r#"["id","x"]"#,
            r#"[{"id":"x"}]"#,
            r#"{"id":7}"#,
            r#"{"id":{"id":"x"}}"#,
            r#"{"id":["x"]}"#,
            r#"{"id":null,"x":"y"}"#,
            r#"{"id":"a\u0062"}"#,
            r#"{"a":"id"}"#,
            r#"{"id":"broken off"#,
            &long,
        ] {
            assert_eq!(scan(text, 2), None, "{text}");
        }
    }

    /// Any JSON of a few levels, in which the interesting words are frequent.
    fn values() -> impl Strategy<Value = Value> {
        let word = prop_oneof![Just("id".to_owned()), "[a-z\"\\\\{},:]{0,6}"];
        let leaf =
            prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), word.clone().prop_map(Value::from)];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map(word.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_whole_parser_however_the_text_is_cut(value in values(), piece_bytes in 1_usize..9) {
            let plain = |id: &&str| !id.contains(['"', '\\']);
            let expected = value.get("id").and_then(Value::as_str).filter(plain);
            let found = scan(&value.to_string(), piece_bytes);
            prop_assert_eq!(found.as_deref(), expected);
        }
    }
}
