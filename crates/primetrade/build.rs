//! Tells the binary which commit it was built of, and of which day that is: `BUILD_REVISION` and `BUILD_DATE`, for builds without the
//! repository, else git's. (Cargo hands the variables to what it runs, too, so they must not look like settings.)

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=BUILD_REVISION");
    println!("cargo::rerun-if-env-changed=BUILD_DATE");
    // Git appends to this file whenever HEAD moves.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let given = std::env::var("BUILD_REVISION").ok().filter(|given| !given.is_empty());
    let revision = given.or_else(|| git(&["rev-parse", "--short=12", "HEAD"])).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=BUILD_REVISION={revision}");
    let date = std::env::var("BUILD_DATE").ok().filter(|given| !given.is_empty());
    let date = date.or_else(|| git(&["log", "-1", "--format=%cs"])).unwrap_or_else(|| "unknown date".into());
    println!("cargo::rustc-env=BUILD_DATE={date}");
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
