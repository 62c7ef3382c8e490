//! What is neither ours nor a database.

use node::config::Config;
use platform::files;
use platform::telemetry::trace::Collector;

use super::{Check, Finding};

pub fn collector(config: &Config) -> Option<Check> {
    let endpoint = config.telemetry.otlp_endpoint.clone()?;
    let setting = "telemetry.otlp_endpoint";
    Some(Check::new(setting, async move {
        let place = endpoint.authority();
        vec![match endpoint.check().await {
            Ok(()) => Finding::ok(setting, format!("the collector at {place} takes traces")),
            // Serving goes on without it.
            Err(why) => Finding::warning(
                setting,
                format!("the collector at {place} takes no traces: {why}"),
                "Start it, or correct the URL; until then traces are dropped and counted.",
            ),
        }]
    }))
}

pub fn mail_sink(config: &Config) -> Check {
    let (setting, folder) = ("mail.sink", config.mail.sink.clone());
    Check::new(setting, async move {
        let Some(folder) = folder else {
            let advice = "Name a folder, for whoever forgot a password or has another address needs a mailed token.";
            return vec![Finding::warning(setting, "is not set, so no mail is written", advice)];
        };
        let shown = folder.display().to_string();
        vec![match files::may_make_in(&folder) {
            Ok(()) if folder.exists() => Finding::ok(setting, format!("mails can be written to {shown}")),
            Ok(()) => Finding::ok(setting, format!("{shown} is not there yet, and can be made")),
            Err(error) => Finding::failed(
                setting,
                format!("mails cannot be written to {shown}: {error}"),
                "Name a folder that this user may write to.",
            ),
        }]
    })
}
