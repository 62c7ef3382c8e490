//! Mails: jobs for whoever sends them. What they say, and to whom, is with the event that asks for them.

use effects::Effects;
use effects::jobs::{Failed, Job, Record};
use effects::log::events as log;
use kernel::{Error, Event, Timestamp, Uuid};
use serde::{Deserialize, Serialize};

use super::Auth;
use crate::events::{MAIL_REQUESTED, MailRequest, Personal, Template};
use crate::model::Purpose;
use crate::tickets::Ticket;

/// The queue of mails.
pub const MAILS: &str = "mails";

/// A mail, ready to send.
#[derive(Debug)]
pub struct Mail {
    /// The event that asks for it: the same mail has the same id, however often it is sent.
    pub id: Uuid,
    pub to: String,
    pub subject: String,
    pub text: String,
    /// When it was asked for.
    pub time: Timestamp,
}

/// What all mails have in common.
#[derive(Debug, Clone, Default)]
pub struct Letterhead {
    /// The shop's name.
    pub shop: String,
    /// Where the pages lie to which links lead, without a slash at the end.
    pub link_base: String,
}

/// The payload of a job: it holds no address, which would outlive its account.
#[derive(Serialize, Deserialize)]
struct MailJob {
    event: Uuid,
    /// For who looks at the job.
    account: String,
    template: Template,
}

#[derive(Deserialize)]
struct Envelope {
    data: MailRequest,
}

impl Auth {
    /// What a change tells, with a job for each mail that it asks for, if mails are sent.
    pub(crate) fn effects(&self, events: Vec<Event>) -> Result<Effects, Error> {
        let mails = events.iter().filter(|event| self.sends_mails && event.kind == MAIL_REQUESTED);
        let job = |mail: &Event| {
            let asked = serde_json::from_slice::<Envelope>(&mail.bytes);
            let template = asked.map_err(|error| Error::Internal(error.to_string()))?.data.template;
            let about = MailJob { event: mail.id, account: mail.subject.clone(), template };
            Job::new(&self.context, MAILS, &about)
        };
        let jobs = mails.map(job).collect::<Result<_, _>>()?;
        Ok(Effects { events, jobs, ..Effects::default() })
    }

    /// The mail that a job is about. Those of accounts that were erased meanwhile are gone with their addresses, and what would mail a
    /// permission that is used or over by now helps nobody.
    ///
    /// # Errors
    /// `Park` when what it is about cannot be read; `Retry` when the database does not answer.
    pub async fn mail_of(&self, job: &Record) -> Result<Option<Mail>, Failed> {
        let MailJob { event: id, .. } = job.read()?;
        let unreadable = |error: serde_json::Error| Failed::Park(format!("its event: {error}"));
        let asked = log::by_id(&self.database, id).await.map_err(Error::from)?;
        let asked = asked.ok_or_else(|| Failed::Park("its event is not there".into()))?;
        let Some(personal) = log::personal_of(&self.database, id).await.map_err(Error::from)? else { return Ok(None) };
        let request = serde_json::from_slice::<Envelope>(&asked).map_err(unreadable)?.data;
        let to = serde_json::from_slice(&personal).map_err(unreadable)?;
        if let (Some(token), Some(purpose)) = (request.token, request.template.purpose())
            && self.store.token(token, purpose, self.context.now()).await.map_err(Error::from)?.is_none()
        {
            tracing::info!(event = "mail.too_late", mail = %id, "what would be mailed is used or over, so nothing is");
            return Ok(None);
        }
        Ok(Some(self.mail(id, &request, to, job.created_at)?))
    }

    fn mail(&self, id: Uuid, request: &MailRequest, to: Personal, time: Timestamp) -> Result<Mail, Error> {
        let (subject, words) = match request.template {
            Template::VerifyEmail => {
                ("Please confirm your e-mail address", "Confirm within a day that this address is yours:")
            }
            Template::ResetPassword => (
                "Choose another password",
                "Choose another password within an hour. If you did not ask for it, ignore this mail: your password stays.",
            ),
            Template::AlreadyRegistered => (
                "You have an account",
                "Somebody tried to register with your address, or to give it to another account. It has an account. If it was \
                 you, log in, or ask for another password. If it was not, there is nothing to do.",
            ),
            Template::AddressPending => (
                "Your account is to have another e-mail address",
                "Somebody who is logged in to your account gave it another e-mail address, which takes the place of this one \
                 as soon as it is confirmed. If it was not you, choose another password at once.",
            ),
            Template::AddressChanged => (
                "Your account has another e-mail address",
                "Your account has another e-mail address now. If it was not you, tell the shop at once: this address can \
                 no longer choose another password.",
            ),
            Template::PasswordChanged => (
                "Your password was changed",
                "The password of your account was changed. If it was not you, ask for another one at once.",
            ),
        };
        let Letterhead { shop, link_base } = &self.letterhead;
        let mut text = format!("Hello {},\n\n{words}\n", to.username);
        if let (Some(token), Some(purpose)) = (request.token, request.template.purpose()) {
            let ticket = self.tokens.write_ticket(Ticket::OneTime { token, purpose })?;
            let page = match purpose {
                Purpose::VerifyEmail => "confirm-email",
                Purpose::ResetPassword => "reset-password",
            };
            // Behind the # it is sent to no server, and so stands in no log.
            text.push_str(&format!("\n{link_base}/{page}#token={ticket}\n\nToken: {ticket}\n"));
        }
        text.push_str(&format!("\n{shop}\n"));
        Ok(Mail { id, to: to.email, subject: format!("{shop}: {subject}"), text, time })
    }
}
