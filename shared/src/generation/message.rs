//! What a user is told when a generation fails: something to act on, never a provider's own words. Pure.

/// Every error code of a generation that has failed.
pub const CODES: [&str; 21] = [
    "cancelled",
    "cancelled_by_provider",
    "deadline",
    "gpu_error",
    "input_damaged",
    "input_too_large",
    "input_unavailable",
    "input_unsupported",
    "insufficient_resolution",
    "invalid_input",
    "no_output",
    "provider_error",
    "provider_misconfigured",
    "provider_rejected",
    "provider_unavailable",
    "restored",
    "result_lost",
    "store_refused",
    "timeout",
    "unusable_output",
    "worker_lost",
];

/// The text for an error code; unknown codes get the general one. `picture` is the place below `input_data` of the
/// picture that caused the failure. The advice to ask for fewer outputs is given only if `outputs_asked` is more than
/// one.
#[must_use]
pub fn message(code: &str, picture: Option<&str>, outputs_asked: i16) -> String {
    let fewer = if outputs_asked > 1 { " with fewer outputs" } else { "" };
    text(code).replace(PICTURE, picture.unwrap_or("of this request")).replace(FEWER, fewer)
}

/// The text for a cancel that was charged.
pub(super) const CANCEL_CHARGED: &str =
    "You cancelled this generation after your free cancellations of the day. It was charged in full.";

/// Placeholder in a text for the name of a picture.
const PICTURE: &str = "{picture}";
/// Placeholder in a text for the advice to ask for fewer outputs, if more than one was asked for.
const FEWER: &str = "{fewer}";

fn text(code: &str) -> &'static str {
    match code {
        "cancelled" => "You cancelled this generation. Your credits were refunded.",
        "deadline" => "This took longer than allowed and was stopped. Your credits were refunded; please try again.",
        "invalid_input" => {
            "The workflow could not use this request. Check its settings and pictures, then try again. Your credits were refunded."
        }
        "insufficient_resolution" => {
            "The picture {picture} is too small for this workflow. Use a larger one. Your credits were refunded."
        }
        "input_unavailable" => {
            "The picture {picture} could not be downloaded. Check that it exists and that its URL can be opened without signing in. Your credits were refunded."
        }
        "input_unsupported" => {
            "The picture {picture} is not a still PNG, JPEG or WebP picture, or it is a kind of JPEG that is not supported. Save it as a PNG or as a baseline or progressive JPEG, then try again. Your credits were refunded."
        }
        "input_damaged" => {
            "The picture {picture} is damaged or incomplete. Save it anew, then try again. Your credits were refunded."
        }
        "input_too_large" => {
            "The picture {picture} is too large for this workflow. Use a smaller one. Your credits were refunded."
        }
        "timeout" => {
            "The generation ran too long and was stopped. Your credits were refunded; please try again{fewer}."
        }
        "no_output" | "unusable_output" => {
            "The workflow finished without a usable picture. Your credits were refunded; please try again{fewer}."
        }
        "store_refused" | "provider_misconfigured" => {
            "The result could not be stored because of a problem on our side. We have been alerted. Your credits were refunded; please try again later."
        }
        "restored" => {
            "Our service was restored from a backup while this was under way. Your credits were refunded; please try again."
        }
        "result_lost" => "The result was lost before it could be stored. Your credits were refunded; please try again.",
        _ => {
            "The generation could not be completed because of a problem on our side. Your credits were refunded; please try again."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CODES, message};

    #[test]
    fn a_text_names_the_picture_that_was_the_reason() {
        let text = message("input_damaged", Some("input_images/2"), 1);
        assert!(text.starts_with("The picture input_images/2 is damaged"), "{text}");
        for code in
            ["input_unavailable", "input_unsupported", "input_damaged", "input_too_large", "insufficient_resolution"]
        {
            let text = message(code, Some("mask"), 1);
            assert!(text.contains(" mask ") && text.contains("refunded"), "{code}: {text}");
        }
    }

    #[test]
    fn every_text_is_complete_and_advises_only_what_can_be_done() {
        for code in CODES.into_iter().chain(["no such code"]) {
            for outputs in 1..=4 {
                let text = message(code, None, outputs);
                assert!(!text.contains('{') && text.contains("refunded") && text.ends_with('.'), "{code}: {text}");
                let may_help = outputs > 1 && ["timeout", "no_output", "unusable_output"].contains(&code);
                assert_eq!(text.contains("fewer outputs"), may_help, "{code} of {outputs} outputs: {text}");
            }
        }
        assert!(CODES.is_sorted_by(|one, next| one < next), "each once, in order");
    }
}
