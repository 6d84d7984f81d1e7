//! A mail as it goes over the wire. Pure.

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, MultiPartKind, SinglePart};
use lettre::{Address, Message};
use url::Url;

use crate::notification::Mail;
use crate::notification::letter::Letter;

/// The bytes of `letter` as `mail`; `None` if no mail can be made of it.
///
/// All of it is the mail's and nothing the moment's: sent again, it is the same to the last byte.
pub(super) fn write(from: &Mailbox, to: &Address, mail: &Mail, letter: Letter, stop_url: &Url) -> Option<Vec<u8>> {
    let parts = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(mail.mail_id.0.simple().to_string())
        .singlepart(SinglePart::plain(letter.text))
        .singlepart(SinglePart::html(letter.html));
    let message = Message::builder()
        .message_id(Some(format!("<{}@{}>", mail.mail_id, from.email.domain())))
        .date(mail.dated.into())
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(letter.subject)
        .raw_header(header("List-Unsubscribe", format!("<{stop_url}>")))
        // RFC 8058: the mail program may stop these mails by itself, with one POST.
        .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()))
        .raw_header(header("Auto-Submitted", "auto-generated".to_owned()))
        .multipart(parts);
    message.ok().map(|message| message.formatted())
}

/// A header as it stands: ASCII, and not to be wrapped.
fn header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}
