//! What a user is told when a generation fails: something to act on, never a provider's own words. Pure.

/// The text for an error code; unknown codes get the general one. `picture` is where the picture that was the reason
/// stands below `input_data`.
#[must_use]
pub fn message(code: &str, picture: Option<&str>) -> String {
    text(code).replace(PICTURE, picture.unwrap_or("of this request"))
}

/// The text for a cancel that was charged.
pub(super) const CANCEL_CHARGED: &str =
    "You cancelled this generation after your free cancellations of the day. It was charged in full.";

/// Stands in a text for the name of a picture.
const PICTURE: &str = "{picture}";

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
            "The picture {picture} could not be fetched. Check that it exists and that its address answers without signing in. Your credits were refunded."
        }
        "input_unsupported" => {
            "The picture {picture} is not a still PNG, JPEG or WebP picture. Convert it, then try again. Your credits were refunded."
        }
        "input_damaged" => {
            "The picture {picture} is damaged or incomplete. Save it anew, then try again. Your credits were refunded."
        }
        "input_too_large" => {
            "The picture {picture} is too large for this workflow. Use a smaller one. Your credits were refunded."
        }
        "timeout" => "The generation ran too long and was stopped. Try fewer outputs. Your credits were refunded.",
        "no_output" | "unusable_output" => {
            "The workflow finished without a usable picture. Try again, perhaps with fewer outputs. Your credits were refunded."
        }
        "restored" => {
            "Our service had to be restored from a backup while this was under way. Your credits were refunded; please try again."
        }
        "result_lost" => "The result was lost before it could be stored. Your credits were refunded; please try again.",
        _ => {
            "The generation could not be completed because of a problem on our side. Your credits were refunded; please try again."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn a_text_names_the_picture_that_was_the_reason() {
        let text = message("input_damaged", Some("input_images/2"));
        assert!(text.starts_with("The picture input_images/2 is damaged"), "{text}");
        for code in ["cancelled", "input_unavailable", "insufficient_resolution", "no such code"] {
            assert!(!message(code, None).contains('{'), "{code}");
        }
        for code in
            ["input_unavailable", "input_unsupported", "input_damaged", "input_too_large", "insufficient_resolution"]
        {
            let text = message(code, Some("mask"));
            assert!(text.contains(" mask ") && text.contains("refunded"), "{code}: {text}");
        }
    }
}
