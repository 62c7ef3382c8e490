//! GET /api-docs, and the documents that it shows.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use testkit::{Client, PATIENCE, Server, Topology, eventually, on_each};

use crate::people::{self, PASSWORD};
use crate::v1::text;
use crate::v2;

on_each!(anyone_reads_the_api_page, the_viewer_goes_out_in_gzip_only, the_documents_are_the_committed_ones);

fn anyone_reads_the_api_page(topology: Topology) {
    let server = Server::start(topology);
    let viewer = viewer(&server);
    for (path, kind) in [
        ("/api-docs", "text/html; charset=utf-8"),
        ("/api-docs/page.js", "text/javascript; charset=utf-8"),
        (&viewer, "text/javascript; charset=utf-8"),
    ] {
        let page = server.client().get(path).expect(200);
        assert_eq!(page.header("content-type"), Some(kind));
        let policy = page.header("content-security-policy").unwrap_or_default();
        let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
        for needed in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "img-src data:"] {
            assert!(directives.contains(&needed), "{needed} is not in {policy}");
        }
        // Only styles may be inline, and nothing is evaluated.
        assert!(!policy.replace("style-src 'unsafe-inline'", "").contains("unsafe"), "{policy}");
        // It works without the internet: nothing is loaded from elsewhere.
        assert!(!policy.contains("//"), "{policy}");
        if path != viewer {
            assert!(!page.text().contains("://") && !page.text().contains("\"//"), "{path}");
        }
    }
    let html = server.client().get("/api-docs").text();
    for inline in ["<style", " style=", "<script>", " onclick="] {
        assert!(!html.contains(inline), "{inline} is not for our own files");
    }
}

fn the_viewer_goes_out_in_gzip_only(topology: Topology) {
    let server = Server::start(topology);
    let viewer = viewer(&server);
    let ask = |accepted: &str| {
        // No document tells of it, so a refusal is not promised either.
        Client::plain(server.url()).send("GET", &viewer, &[("accept-encoding", accepted)], None)
    };
    for accepted in ["gzip", "br, GZIP;q=0.5", "*", "*;q=0, gzip", "deflate, gzip;q=1.0, *;q=0.5"] {
        let sent = ask(accepted).expect(200);
        assert_eq!(sent.header("content-encoding"), Some("gzip"), "{accepted}");
        assert!(sent.body.starts_with(b"\x1f\x8b"), "{accepted}");
        let caching = sent.header("cache-control").unwrap_or_default();
        assert!(caching.contains("immutable"), "{caching}");
    }
    for accepted in ["identity", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", ""] {
        let refused = ask(accepted).expect(406);
        assert!(refused.text().contains("Accept-Encoding"), "{}", refused.text());
        assert_eq!(refused.header("cache-control"), Some("no-store"));
    }
}

/// Where the page has its viewer from. Its name holds a version.
fn viewer(server: &Server) -> String {
    let html = server.client().get("/api-docs").expect(200).text();
    let sources = html.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    sources.into_iter().find(|source| source.contains("viewer")).expect("the page names its viewer").to_owned()
}

#[test]
fn an_operation_is_tried_in_a_browser() {
    let server = Server::start(Topology::Sqlite);
    let person = people::register(&server);
    let Some(mut browser) = Browser::start(&server.folder().join("browser")) else { return };

    browser.open(&format!("{}/api-docs#v2/tag/me/GET/api/v2/me", server.url()));
    browser.wait_for(
        "[...document.querySelectorAll('h3')].some((title) => title.innerText.includes(\"The caller's account\"))",
    );
    browser.wait_for("document.body.innerText.includes('/api/v2/me') && document.body.innerText.includes('curl')");
    browser.wait_for("document.body.innerText.includes('Search')");

    // Buttons say what they do; this operation's are those in the section that holds its title.
    browser.wait_for(
        "(() => {
            const titles = [...document.querySelectorAll('h3')];
            const title = titles.find((title) => title.innerText.includes(\"The caller's account\"));
            const buttons = [...(title?.closest('section')?.querySelectorAll('button') ?? [])];
            const button = buttons.find((button) => button.innerText.includes('Test Request'));
            button?.click();
            return button !== undefined;
        })()",
    );
    browser.wait_for(
        "(() => {
            const field = document.querySelector('[role=dialog] [placeholder=Token]');
            field?.focus();
            return field !== null && document.activeElement === field;
        })()",
    );
    let tokens = v2::open(&server.client(), &person.email, PASSWORD).expect(201).json();
    browser.write(&text(&tokens["access_token"]));
    browser.wait_for(
        "(() => {
            const buttons = [...document.querySelectorAll('[role=dialog] button')];
            const button = buttons.find((button) => button.innerText.includes('Send'));
            button?.click();
            return button !== undefined;
        })()",
    );
    let email = json!(person.email);
    browser.wait_for(&format!("document.querySelector('[role=dialog]').innerText.includes({email})"));
    browser.assert_unhindered();

    // With another query it is another page, and not the same one scrolled.
    browser.open(&format!("{}/api-docs?frozen#v1/tag/auth/POST/api/v1/auth/login", server.url()));
    browser.wait_for("document.body.innerText.includes('/api/v1/auth/login')");
    browser.assert_unhindered();

    let asked = browser.asked();
    assert!(asked.iter().any(|url| url.ends_with("/api/v2/me")), "{asked:?}");
    let own = |url: &&String| url.starts_with(server.url()) || url.starts_with("data:") || url.starts_with("blob:");
    let elsewhere: Vec<_> = asked.iter().filter(|url| !own(url)).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

/// A headless Chromium with one tab, told what to do by the DevTools protocol, through a pipe. It ends with the pipe.
struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    tab: Option<String>,
    sent: u64,
    asked: Vec<String>,
}

impl Browser {
    /// `None` where there is no Chromium, which is said past the test harness.
    fn start(profile: &Path) -> Option<Self> {
        let runs = |name: &&str| {
            let mut probe = Command::new(*name);
            let probed = probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            probed.is_ok_and(|status| status.success())
        };
        let Some(name) = ["chromium", "chromium-browser"].into_iter().find(runs) else {
            // Nobody reads what is closed.
            let _ = writeln!(
                std::io::stderr(),
                "an_operation_is_tried_in_a_browser DID NOT RUN: Chromium is not installed"
            );
            return None;
        };
        // It reads from descriptor 3, and writes to 4. Its sandbox is not for root, and it opens only our own page.
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut command = Command::new("sh");
        command.args(["-c", script, name, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        // A narrow page hides its search.
        command.args(["--window-size=1400,1000", "--remote-debugging-pipe", "--no-first-run"]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let input = child.stdin.take().expect("stdin is a pipe");
        let output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                // The last one may be cut short, and nobody may want it any more.
                let Ok(message) = serde_json::from_slice(&message) else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { child, input, messages, tab: None, sent: 0, asked: Vec::new() };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.ask("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.tab = attached["sessionId"].as_str().map(str::to_owned);
        browser.ask("Network.enable", json!({}));
        browser.ask("Page.enable", json!({}));
        let watch = "globalThis.refused = []; document.addEventListener('securitypolicyviolation', \
                     (event) => refused.push(`${event.violatedDirective} ${event.blockedURI}`));";
        browser.ask("Page.addScriptToEvaluateOnNewDocument", json!({ "source": watch }));
        Some(browser)
    }

    fn open(&mut self, url: &str) {
        self.ask("Page.navigate", json!({ "url": url }));
    }

    /// Asks the page again until this is true.
    fn wait_for(&mut self, condition: &str) {
        eventually(condition, || (self.evaluate(condition) == json!(true)).then_some(()));
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.ask("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        answer["result"]["value"].clone()
    }

    /// Types into what has the focus.
    fn write(&mut self, text: &str) {
        self.ask("Input.insertText", json!({ "text": text }));
    }

    /// The page's policy forbids nothing that the viewer needs. It tries whether it may evaluate text, and does without.
    fn assert_unhindered(&mut self) {
        let refused = self.evaluate("refused.filter((what) => what !== 'script-src eval')");
        assert_eq!(refused, json!([]));
    }

    /// The addresses of everything that the tab has asked for until now.
    fn asked(&mut self) -> Vec<String> {
        self.evaluate("0");
        self.asked.clone()
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(tab) = &self.tab {
            message["sessionId"] = json!(tab);
        }
        write!(self.input, "{message}\0").and_then(|()| self.input.flush()).expect("the browser reads");
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect("the browser answers");
            if message["method"] == "Network.requestWillBeSent" {
                self.asked.extend(message["params"]["request"]["url"].as_str().map(str::to_owned));
            }
            if message["id"] == self.sent {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Each fails only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn the_documents_are_the_committed_ones(topology: Topology) {
    let server = Server::start(topology);
    for version in ["v1", "v2"] {
        let served = server.client().get(&format!("/openapi/{version}.json")).expect(200);
        assert_eq!(served.header("content-type"), Some("application/json"));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/openapi/{version}.json"));
        let committed = std::fs::read_to_string(file).expect("the committed document");
        assert!(served.text() == committed, "build the binary and the documents of the same sources");
        assert_eq!(server.run(&["openapi", version]).expect_code(0).stdout, committed);
    }
}
