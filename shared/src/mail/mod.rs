//! The mail server: one dialogue a mail, bounded, and told apart by what it leaves behind.
//!
//! The commands are sent one by one instead of by the library's transport, because what a failure means depends on how
//! far the dialogue had come. No error carries the server's text: it may quote the recipient.

mod message;

use std::time::{Duration, Instant};

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use metrics::{counter, histogram};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use url::Url;

use crate::config::{self, MailSecurity, MailServer};
use crate::notification::{End, Mail, letter, unsubscribe};
use crate::telemetry::names;

/// How long it may take to be connected.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long the dialogue may take until the server asks for the mail itself, connecting included.
const BEGIN_MAX: Duration = Duration::from_secs(30);
/// How long the server may take for the mail and its answer. Generous: an answer that is given up on may be a second mail.
const CONTENT_MAX: Duration = Duration::from_secs(90);
/// How long a server is told good-bye.
const QUIT_MAX: Duration = Duration::from_secs(2);
/// How long a dialogue may take at most.
pub const DIALOGUE_MAX: Duration =
    Duration::from_secs(BEGIN_MAX.as_secs() + CONTENT_MAX.as_secs() + QUIT_MAX.as_secs());
/// How a login may be made; the way is encrypted, or does not leave the machine.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// Sends mails to users. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    server: MailServer,
    tls: Option<TlsParameters>,
    /// How we introduce ourselves.
    hello: ClientId,
    from: Mailbox,
    app_url: Url,
    public_url: Url,
    unsubscribe_secrets: Vec<SecretString>,
}

/// The settings do not make a mailer.
#[derive(Debug, thiserror::Error)]
pub enum MailSetupError {
    #[error("MAIL_FROM is no address")]
    From(#[from] lettre::address::AddressError),
    #[error("TLS cannot be set up")]
    Tls(#[from] lettre::transport::smtp::Error),
}

/// Where a dialogue broke off. Without the server's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum SendError {
    #[error("the recipient has no address that mail can be sent to")]
    NoAddress,
    #[error("the server refuses the recipient for good ({0})")]
    Recipient(u16),
    #[error("the server answered {1} at {0}")]
    Refused(&'static str, u16),
    #[error("the dialogue broke off at {0}")]
    Broken(&'static str),
    #[error("the dialogue took too long")]
    Slow,
    #[error("no answer came to the mail itself")]
    Unheard,
}

impl SendError {
    fn end(self) -> End {
        match self {
            Self::NoAddress | Self::Recipient(_) => End::Undeliverable,
            Self::Refused(..) | Self::Broken(_) | Self::Slow => End::Refused,
            Self::Unheard => End::Unheard,
        }
    }
}

impl Mailer {
    /// A mailer by these settings. Connects to nothing yet.
    ///
    /// # Errors
    /// [`MailSetupError`], at start only.
    pub fn new(settings: &config::Mail, public_url: &Url) -> Result<Self, MailSetupError> {
        let tls = match settings.server.security {
            MailSecurity::Plain => None,
            MailSecurity::Tls | MailSecurity::StartTls => Some(TlsParameters::new(settings.server.host.clone())?),
        };
        Ok(Self {
            server: settings.server.clone(),
            tls,
            hello: ClientId::Domain(public_url.host_str().unwrap_or("localhost").to_owned()),
            from: settings.from.parse()?,
            app_url: settings.app_url.clone(),
            public_url: public_url.clone(),
            unsubscribe_secrets: settings.unsubscribe_secrets.clone(),
        })
    }

    /// Writes the mail and hands it to the server. Takes at most [`DIALOGUE_MAX`].
    pub async fn send(&self, mail: &Mail) -> End {
        let begun = Instant::now();
        let sent = self.try_send(mail).await;
        histogram!(names::MAIL_SECONDS).record(begun.elapsed());
        let end = sent.map_or_else(SendError::end, |()| End::Sent);
        counter!(names::MAILS_TOTAL, "outcome" => end.as_str()).increment(1);
        let (mail_id, total) = (mail.mail_id, mail.total);
        match sent {
            Ok(()) => tracing::info!(%mail_id, total, "mail sent"),
            Err(error) => tracing::warn!(%mail_id, total, outcome = end.as_str(), %error, "mail not sent"),
        }
        end
    }

    async fn try_send(&self, mail: &Mail) -> Result<(), SendError> {
        let to: Address = mail
            .address
            .as_ref()
            .and_then(|address| address.expose_secret().parse().ok())
            .ok_or(SendError::NoAddress)?;
        let stop_url = unsubscribe::build(&self.public_url, &self.unsubscribe_secrets, mail.user_id);
        let letter = letter::write(&mail.told, mail.total, &self.app_url, &stop_url);
        let content = message::write(&self.from, &to, mail, letter, &stop_url).ok_or(SendError::NoAddress)?;
        let mut connection = timeout(BEGIN_MAX, self.begin(&to)).await.map_err(|_| SendError::Slow)??;
        match timeout(CONTENT_MAX, connection.message(&content)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(refused("content", &error).unwrap_or(SendError::Unheard)),
            Err(_) => return Err(SendError::Unheard),
        }
        // The mail is out; how the server takes our leave changes nothing.
        let _ = timeout(QUIT_MAX, connection.quit()).await;
        Ok(())
    }

    /// Everything up to the server's wish to be given the mail.
    async fn begin(&self, to: &Address) -> Result<AsyncSmtpConnection, SendError> {
        let mut connection = self.connect().await?;
        if let Some((user, password)) = &self.server.login {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            let welcome = connection.auth(&MECHANISMS, &credentials).await;
            welcome.map_err(|error| broken("login", &error))?;
        }
        let from = MailFrom::new(Some(self.from.email.clone()), vec![]);
        connection.command(from).await.map_err(|error| broken("sender", &error))?;
        connection.command(Rcpt::new(to.clone(), vec![])).await.map_err(|error| match error.status() {
            Some(code) if error.is_permanent() => SendError::Recipient(code.into()),
            _ => broken("recipient", &error),
        })?;
        connection.command(Data).await.map_err(|error| broken("data", &error))?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let at_once = self.tls.clone().filter(|_| self.server.security == MailSecurity::Tls);
        let server = (self.server.host.as_str(), self.server.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_MAX), &self.hello, at_once, None);
        let mut connection = connecting.await.map_err(|error| broken("connecting", &error))?;
        if let (MailSecurity::StartTls, Some(tls)) = (self.server.security, &self.tls) {
            let upgraded = connection.starttls(tls.clone(), &self.hello).await;
            upgraded.map_err(|error| broken("STARTTLS", &error))?;
        }
        Ok(connection)
    }
}

fn broken(at: &'static str, error: &lettre::transport::smtp::Error) -> SendError {
    refused(at, error).unwrap_or(SendError::Broken(at))
}

/// What the server said no with, if it said anything.
fn refused(at: &'static str, error: &lettre::transport::smtp::Error) -> Option<SendError> {
    error.status().map(|code| SendError::Refused(at, code.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::LEASE;

    #[test]
    fn a_lease_outlasts_every_dialogue() {
        assert!(LEASE > DIALOGUE_MAX + Duration::from_secs(30), "what came of it is to be written, too");
    }
}
