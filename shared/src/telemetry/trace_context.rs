//! Where a call comes from, as W3C Trace Context (level 1) writes it: `00-{trace id}-{span id}-{flags}`. Pure.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

/// The header, and the field of a provider's input, that carries it.
pub const TRACEPARENT: &str = "traceparent";

/// What `00-…` is long; later versions may append to it.
const CHARS: usize = 55;
/// The one flag of level 1.
const SAMPLED: u8 = 1;

/// A span of somebody's trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: NonZeroU128,
    span_id: NonZeroU64,
    sampled: bool,
}

/// Names a trace in log lines: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(NonZeroU128);

impl TraceContext {
    #[must_use]
    pub fn new(trace_id: NonZeroU128, span_id: NonZeroU64, sampled: bool) -> Self {
        Self { trace_id, span_id, sampled }
    }

    /// What a `traceparent` says; `None` where it is not exactly one. Of a later version its first four parts count.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (known, rest) = bytes.split_at_checked(CHARS)?;
        let version = hex(&known[..2])?;
        let appended = match version {
            0 => rest.is_empty(),
            0xff => return None,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let parted = [2, 35, 52].iter().all(|place| known[*place] == b'-');
        if !appended || !parted {
            return None;
        }
        Some(Self {
            trace_id: NonZeroU128::new(hex(&known[3..35])?)?,
            span_id: NonZeroU64::new(u64::try_from(hex(&known[36..52])?).ok()?)?,
            sampled: hex(&known[53..])? & u128::from(SAMPLED) != 0,
        })
    }

    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        TraceId(self.trace_id)
    }

    #[must_use]
    pub fn span_id(&self) -> NonZeroU64 {
        self.span_id
    }

    /// Whether whoever made it records this trace.
    #[must_use]
    pub fn sampled(&self) -> bool {
        self.sampled
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn with_span(self, span_id: NonZeroU64) -> Self {
        Self { span_id, ..self }
    }
}

impl TraceId {
    #[must_use]
    pub fn get(self) -> NonZeroU128 {
        self.0
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A number of at most 32 digits, in lower case as the standard has it.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    /// The standard's own example.
    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_standards_example_is_read_and_written_as_it_is() {
        let context = TraceContext::parse(EXAMPLE).expect("well-formed");
        assert_eq!(context.to_string(), EXAMPLE);
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.sampled());
        let child = context.with_span(NonZeroU64::MIN);
        assert_eq!(child.to_string(), "00-0af7651916cd43dd8448eb211c80319c-0000000000000001-01");
    }

    #[test]
    fn of_the_flags_only_the_first_is_known() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("ff", true)] {
            let context = TraceContext::parse(&format!("{}{flags}", &EXAMPLE[..53])).expect("well-formed");
            assert_eq!(context.sampled(), sampled, "{flags}");
            assert!(context.to_string().ends_with(if sampled { "-01" } else { "-00" }));
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for later in [EXAMPLE.replacen("00", "01", 1), format!("{}-more", EXAMPLE.replacen("00", "fe", 1))] {
            let context = TraceContext::parse(&later).expect("readable");
            assert_eq!(context.to_string(), EXAMPLE, "{later}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        let (trace, span) = (&EXAMPLE[3..35], &EXAMPLE[36..52]);
        for text in [
            "".to_owned(),
            EXAMPLE[..54].to_owned(),
            format!("{EXAMPLE}-more"),
            format!("{EXAMPLE}0"),
            format!("{EXAMPLE} "),
            format!(" {EXAMPLE}"),
            format!("{EXAMPLE},{EXAMPLE}"),
            EXAMPLE.to_uppercase(),
            EXAMPLE.replace('-', "_"),
            format!("ff-{trace}-{span}-01"),
            format!("ff-{trace}-{span}-01-more"),
            format!("01-{trace}-{span}-01more"),
            format!("0x-{trace}-{span}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}g-{span}-01", &trace[1..]),
            format!("00-{trace}-{span}-0g"),
            format!("00-{trace}-{span}-+1"),
            format!("00-{}é-{span}-01", &trace[2..]),
        ] {
            assert_eq!(TraceContext::parse(&text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in ".{0,80}") {
            let _ = TraceContext::parse(&text);
        }

        #[test]
        fn what_is_written_is_read_back(trace_id: u128, span_id: u64, sampled in any::<bool>()) {
            let ids = (NonZeroU128::new(trace_id), NonZeroU64::new(span_id));
            if let (Some(trace_id), Some(span_id)) = ids {
                let context = TraceContext::new(trace_id, span_id, sampled);
                prop_assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
            }
        }
    }
}
