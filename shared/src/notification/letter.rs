//! What a mail says: subject, plain text and HTML. Pure.

use std::fmt::Write;

use url::Url;

use crate::ids::GenerationId;

/// One generation that has ended, as its user is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub generation_id: GenerationId,
    /// Whether anything was delivered.
    pub is_completed: bool,
    /// The workflow's title.
    pub title: String,
    /// The generation's own text for a failure; it is for users, and says what became of the credits.
    pub error_message: Option<String>,
    pub outputs_asked: i16,
    pub outputs_delivered: i16,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Said of a failure that left no text of its own.
const FAILED: &str = "The generation could not be completed. Your credits were refunded.";

/// The mail about `told`, at most [`super::NAMED_MAX`] of the `total`, with the addresses of the front end and of the
/// link that stops these mails.
#[must_use]
pub fn write(told: &[Told], total: i64, app_url: &Url, unsubscribe_url: &Url) -> Letter {
    let subject = subject(told, total);
    let items: Vec<_> = told.iter().map(|one| (one.title.as_str(), sentence(one), link(app_url, one))).collect();
    let unnamed = total - i64::try_from(told.len()).unwrap_or(i64::MAX);
    let more = (unnamed > 0).then(|| format!("… and {unnamed} more."));

    let mut text = "Hello,\n\n".to_owned();
    let mut rows = String::new();
    for (title, sentence, link) in &items {
        let _ = write!(text, "{title}\n{sentence}\n{link}\n\n");
        let _ = writeln!(
            rows,
            "<li style=\"margin:0 0 16px\"><strong>{}</strong><br>{}<br><a href=\"{}\">See it in ShootX</a></li>",
            escape(title),
            escape(sentence),
            escape(link)
        );
    }
    if let Some(more) = &more {
        let _ = write!(text, "{more}\n\n");
        let _ = writeln!(rows, "<li style=\"margin:0 0 16px\">{more}</li>");
    }
    let _ = write!(
        text,
        "ShootX\n\n-- \nYou get this mail because notifications are on.\nNo more of them: {unsubscribe_url}\n"
    );
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body style=\"font-family:sans-serif;color:#222;max-width:36em\">\n<p>Hello,</p>\n\
         <ul style=\"list-style:none;padding:0\">\n{rows}</ul>\n<p>ShootX</p>\n\
         <p style=\"color:#777;font-size:12px\">You get this mail because notifications are on. \
         <a href=\"{}\">No more of them</a></p>\n</body></html>\n",
        escape(&subject),
        escape(unsubscribe_url.as_str())
    );
    Letter { subject, text, html }
}

fn subject(told: &[Told], total: i64) -> String {
    if let ([one], 1) = (told, total) {
        return if one.is_completed {
            format!("{}: your result is ready", one.title)
        } else {
            format!("{}: it could not be completed", one.title)
        };
    }
    let failed = told.iter().filter(|one| !one.is_completed).count();
    match failed {
        0 => format!("{total} of your generations are ready"),
        failed if failed == told.len() => format!("{total} of your generations could not be completed"),
        _ => format!("{total} of your generations have ended, not all of them well"),
    }
}

fn sentence(one: &Told) -> String {
    if !one.is_completed {
        return one.error_message.as_deref().filter(|text| !text.is_empty()).unwrap_or(FAILED).to_owned();
    }
    match (one.outputs_delivered, one.outputs_asked) {
        (delivered, asked) if delivered > 0 && delivered < asked => {
            format!("Ready: {delivered} of the {asked} results you asked for. What the others cost was refunded.")
        }
        _ => "Your result is ready.".to_owned(),
    }
}

fn link(app_url: &Url, one: &Told) -> String {
    format!("{}/generations/{}", app_url.as_str().trim_end_matches('/'), one.generation_id)
}

/// `text` as it may stand anywhere in HTML, attributes in quotes included.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn told(is_completed: bool) -> Told {
        Told {
            generation_id: GenerationId(Uuid::from_u128(7)),
            is_completed,
            title: "Virtual try-on".to_owned(),
            error_message: (!is_completed).then(|| "The picture <b> & \"c\" is too small.".to_owned()),
            outputs_asked: 2,
            outputs_delivered: if is_completed { 2 } else { 0 },
        }
    }

    fn letter(told: &[Told], total: i64) -> Letter {
        let app = Url::parse("https://app.example.com/").expect("valid");
        let stop = Url::parse("https://api.example.com/stop?u=1&s=2").expect("valid");
        write(told, total, &app, &stop)
    }

    #[test]
    fn one_generation_is_named_in_the_subject_and_linked() {
        let letter = letter(&[told(true)], 1);
        assert_eq!(letter.subject, "Virtual try-on: your result is ready");
        for part in [&letter.text, &letter.html] {
            assert!(
                part.contains("https://app.example.com/generations/00000000-0000-0000-0000-000000000007"),
                "{part}"
            );
            assert!(!part.contains("more."), "{part}");
        }
        assert!(letter.text.contains("https://api.example.com/stop?u=1&s=2"));
        assert!(letter.html.contains("https://api.example.com/stop?u=1&amp;s=2"));
    }

    #[test]
    fn a_failure_speaks_with_its_own_words_and_html_is_escaped() {
        let letter = letter(&[told(false)], 1);
        assert_eq!(letter.subject, "Virtual try-on: it could not be completed");
        assert!(letter.text.contains("The picture <b> & \"c\" is too small."));
        assert!(letter.html.contains("The picture &lt;b&gt; &amp; &quot;c&quot; is too small."));
        assert!(!letter.html.contains("<b>"));
        let silent = Told { error_message: None, ..told(false) };
        assert!(sentence(&silent).contains("credits were refunded"));
    }

    #[test]
    fn several_share_a_mail_which_counts_those_it_does_not_name() {
        assert_eq!(letter(&[told(true), told(true)], 2).subject, "2 of your generations are ready");
        assert_eq!(letter(&[told(false), told(false)], 2).subject, "2 of your generations could not be completed");
        let many = letter(&[told(true), told(false)], 60);
        assert_eq!(many.subject, "60 of your generations have ended, not all of them well");
        assert!(many.text.contains("… and 58 more.") && many.html.contains("… and 58 more."));
    }

    #[test]
    fn what_was_delivered_in_part_says_so() {
        let part = Told { outputs_delivered: 1, ..told(true) };
        assert!(sentence(&part).starts_with("Ready: 1 of the 2"));
        assert!(sentence(&part).contains("refunded"));
    }
}
