//! How users get mail, if they do.

use secrecy::SecretString;
use url::{Host, Url};

use super::reader::Reader;
use super::rules;
use crate::loopback;

/// In words, what `SMTP_URL` takes.
const WANTED: &str = "smtps://user:password@host:465, or smtp://user:password@host:587 for a server that speaks STARTTLS \
     (plain smtp only on this machine), special characters percent-encoded";
/// Ports where the address names none.
const PORT_TLS: u16 = 465;
const PORT_STARTTLS: u16 = 587;

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct Mail {
    pub server: MailServer,
    /// Who mails come from, as `ShootX <hello@example.com>` or the address alone.
    pub from: String,
    /// The front end; generations are at `generations/{id}` below it.
    pub app_url: Url,
    /// Sign the links that stop mails: the first signs, all verify.
    pub unsubscribe_secrets: Vec<SecretString>,
}

/// Where mail is handed over.
#[derive(Clone, Debug)]
pub struct MailServer {
    pub host: String,
    pub port: u16,
    pub security: MailSecurity,
    /// The user name and password, if the server requires them.
    pub login: Option<(String, SecretString)>,
}

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS before anything else is said; a server without it is not talked to.
    StartTls,
    /// None: it never leaves this machine.
    Plain,
}

impl Mail {
    pub(super) fn read(reader: &mut Reader<'_>, unsubscribe_secrets: &[SecretString]) -> Option<Self> {
        let Some(server) = reader.optional("SMTP_URL") else {
            for name in ["MAIL_FROM", "APP_URL"] {
                if reader.optional(name).is_some() {
                    reader.problem(name, "is set, but SMTP_URL is not");
                }
            }
            return None;
        };
        let server = reader.checked("SMTP_URL", WANTED, server_of(&server));
        let app_url = reader.required_url("APP_URL", rules::SECURE, rules::secure);
        let from = reader.required("MAIL_FROM");
        let from = from.and_then(|from| {
            let sound = from.parse::<lettre::message::Mailbox>().is_ok();
            reader.checked("MAIL_FROM", "an address such as ShootX <hello@example.com>", sound.then_some(from))
        });
        Some(Self { server: server?, from: from?, app_url, unsubscribe_secrets: unsubscribe_secrets.to_vec() })
    }
}

fn server_of(text: &str) -> Option<MailServer> {
    let url = Url::parse(text).ok()?;
    // Of schemes that are not the web's, addresses are not told from names.
    let host = Host::parse(url.host_str()?).ok()?;
    let (security, port) = match url.scheme() {
        "smtps" => (MailSecurity::Tls, PORT_TLS),
        "smtp" if is_loopback(&host) => (MailSecurity::Plain, PORT_STARTTLS),
        "smtp" => (MailSecurity::StartTls, PORT_STARTTLS),
        _ => return None,
    };
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        (user, Some(password)) if !user.is_empty() => Some((decoded(user)?, decoded(password)?.into())),
        _ => return None,
    };
    let host = host.to_string().trim_matches(['[', ']']).to_owned();
    bare.then(|| MailServer { host, port: url.port().unwrap_or(port), security, login })
}

fn is_loopback(host: &Host) -> bool {
    loopback::is_loopback(&match host {
        Host::Domain(name) => Host::Domain(name.as_str()),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    })
}

/// A part of an address without its percent signs.
fn decoded(part: &str) -> Option<String> {
    let pair = format!("v={}", part.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn only_loopback_is_reached_without_tls() {
        for (text, security, port) in [
            ("smtps://u:p@mail.example.com", MailSecurity::Tls, 465),
            ("smtps://127.0.0.1:4650", MailSecurity::Tls, 4650),
            ("smtp://u:p@mail.example.com", MailSecurity::StartTls, 587),
            ("smtp://mail.example.com:25", MailSecurity::StartTls, 25),
            ("smtp://10.0.0.1:25", MailSecurity::StartTls, 25),
            ("smtp://127.0.0.1:1025", MailSecurity::Plain, 1025),
            ("smtp://localhost:1025/", MailSecurity::Plain, 1025),
            ("smtp://[::1]:1025", MailSecurity::Plain, 1025),
        ] {
            let server = server_of(text).expect(text);
            assert_eq!((server.security, server.port), (security, port), "{text}");
        }
    }

    #[test]
    fn a_login_is_whole_and_decoded() {
        let server = server_of("smtps://a%40b.example:p%3A%2F+%25@mail.example.com").expect("sound");
        let (user, password) = server.login.expect("a login");
        assert_eq!((user.as_str(), password.expose_secret()), ("a@b.example", "p:/+%"));
        assert!(!format!("{password:?}").contains("p:/"));
        for text in [
            "smtps://u@mail.example.com",
            "smtps://:p@mail.example.com",
            "https://mail.example.com",
            "smtp://",
            "smtps://h/path",
            "smtps://h?x=1",
        ] {
            assert!(server_of(text).is_none(), "{text}");
        }
    }
}
