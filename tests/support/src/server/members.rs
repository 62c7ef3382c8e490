//! The processes of a server: what they are called, and where they are.

use super::{Server, Topology};
use crate::process::Process;

/// One process of a server.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) process: Option<Process>,
}

impl Member {
    pub(super) fn is(&self, role: &str) -> bool {
        self.name.starts_with(role)
    }

    /// Forgets where it listened, and where others do.
    pub(super) fn may_move(&mut self) {
        self.arguments.retain(|argument| !PLACES.iter().any(|place| argument.starts_with(place)));
    }

    /// Where it has to listen.
    pub(super) fn listeners(&self) -> impl Iterator<Item = &str> {
        LISTENERS.iter().filter_map(|it| self.arguments.iter().find_map(|argument| argument.strip_prefix(it)))
    }
}

impl Server {
    /// Has those who ask a role know where it listens, and itself listen there again.
    pub(super) fn tell_where(&mut self, role: &str) {
        let bare = |url: &str| url.split("://").last().unwrap_or(url).to_owned();
        let listeners =
            |member: &Member| member.process.as_ref().map(|process| (bare(&process.url), bare(&process.admin_url)));
        let of_role = self.members.iter().filter(|member| member.is(role));
        let addresses: Vec<String> = of_role.filter_map(listeners).map(|(address, _)| address).collect();
        let upstream = format!("--upstreams-{role}=");
        for member in &mut self.members {
            let own = listeners(member).filter(|_| member.is(role));
            member.arguments.retain(|argument| !argument.starts_with(&upstream));
            match own {
                Some((own, admin)) => {
                    member.arguments.retain(|argument| !LISTENERS.iter().any(|it| argument.starts_with(it)));
                    member.arguments.push(format!("{}{own}", LISTENERS[0]));
                    member.arguments.push(format!("{}{admin}", LISTENERS[1]));
                }
                None if role != "gateway" => member.arguments.push(format!("{upstream}{}", addresses.join(","))),
                None => {}
            }
        }
    }
}

pub(super) fn is_public(name: &str) -> bool {
    name.starts_with("gateway") || name == ALONE
}

/// Arguments that say where a member of a cluster is.
const LISTENERS: [&str; 2] = ["--http-listen=", "--admin-listen="];
/// Those, and what says where others are.
const PLACES: [&str; 3] = [LISTENERS[0], LISTENERS[1], "--upstreams-"];

/// The name of a process with all roles.
pub(super) const ALONE: &str = "all";
/// Processes of each role in a cluster.
const EACH: usize = 2;

/// The roles of a cluster, in the order in which they are started: each needs those before it at most.
pub(super) const STAGES: [&[&str]; 4] = [&["auth", "notifications"], &["products"], &["users"], &["gateway"]];

/// The members that are to be started. Where a cluster's services listen is known when they do.
pub(super) fn members(topology: Topology, arguments: &[String]) -> Vec<Member> {
    let member = |name: String, role: Option<&str>| {
        let role = role.map(|role| format!("--role={role}"));
        Member { name, arguments: role.into_iter().chain(arguments.iter().cloned()).collect(), process: None }
    };
    if topology != Topology::Split {
        return vec![member(ALONE.into(), None)];
    }
    let each = |role: &'static str| (1..=EACH).map(move |number| (format!("{role}-{number}"), Some(role)));
    // Gateways first: theirs is the address of the cluster.
    let roles = STAGES.iter().rev().flat_map(|stage| stage.iter().copied());
    roles.flat_map(each).map(|(name, role)| member(name, role)).collect()
}
