//! What a user is told when a generation fails: something to act on, never a provider's own words. Pure.

/// The text for an error code; unknown codes get the general one.
#[must_use]
pub fn message(code: &str) -> &'static str {
    match code {
        "cancelled" => "You cancelled this generation. Your credits were refunded.",
        "deadline" => "This took longer than allowed and was stopped. Your credits were refunded; please try again.",
        "invalid_input" => {
            "The workflow could not use this request. Check its settings and pictures, then try again. Your credits were refunded."
        }
        "insufficient_resolution" => {
            "The picture is too small for this workflow. Use a larger one. Your credits were refunded."
        }
        "timeout" => "The generation ran too long and was stopped. Try fewer outputs. Your credits were refunded.",
        "no_output" | "unusable_output" => {
            "The workflow finished without a usable picture. Try again, perhaps with fewer outputs. Your credits were refunded."
        }
        "result_lost" => "The result was lost before it could be stored. Your credits were refunded; please try again.",
        _ => {
            "The generation could not be completed because of a problem on our side. Your credits were refunded; please try again."
        }
    }
}
