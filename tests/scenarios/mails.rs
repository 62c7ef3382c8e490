//! Mails, as a development sink shows them.

use std::path::PathBuf;

use testkit::{Deployment, Server, Topology, eventually};

/// The folder of a development sink.
pub struct Mails(PathBuf);

impl Mails {
    /// The mails to an address, in no order.
    pub fn to(&self, address: &str) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(&self.0) else { return Vec::new() };
        let mails = files.flatten().filter(|file| file.path().extension().is_some_and(|extension| extension == "eml"));
        let texts = mails.filter_map(|file| std::fs::read_to_string(file.path()).ok());
        texts.filter(|text| text.contains(&format!("\r\nTo: <{address}>\r\n"))).collect()
    }

    /// The tokens of the mails to an address with this in their subject, once there are so many.
    #[track_caller]
    pub fn tokens(&self, address: &str, subject: &str, count: usize) -> Vec<String> {
        let tokens = || {
            let mails = self.to(address).into_iter().filter(|mail| mail.contains(subject));
            let tokens: Vec<String> = mails
                .filter_map(|mail| Some(mail.split_once("Token: ")?.1.lines().next()?.trim().to_owned()))
                .collect();
            (tokens.len() >= count).then_some(tokens)
        };
        eventually("the mails were written", tokens)
    }
}

/// A server that puts its mails into a folder.
pub fn start(topology: Topology) -> (Server, Mails) {
    start_as(Deployment::new(topology))
}

pub fn start_as(deployment: Deployment) -> (Server, Mails) {
    let folder = deployment.folder().join("mails");
    let server = deployment.set("MAIL__SINK", &folder.display().to_string()).start();
    (server, Mails(folder))
}
