//! GET /api-docs, and the documents it is built from.

use std::path::Path;

use testkit::{Server, Topology, on_each};

on_each!(anyone_reads_the_api_page, the_documents_are_the_committed_ones);

fn anyone_reads_the_api_page(topology: Topology) {
    let server = Server::start(topology);
    for (path, kind) in [
        ("/api-docs", "text/html; charset=utf-8"),
        ("/api-docs/app.js", "text/javascript; charset=utf-8"),
        ("/api-docs/style.css", "text/css; charset=utf-8"),
    ] {
        let page = server.client().get(path).expect(200);
        assert_eq!(page.header("content-type"), Some(kind));
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        // It works without the internet: nothing is loaded from elsewhere.
        assert!(
            !page.text().contains("//cdn") && !page.text().contains("http://") && !page.text().contains("https://")
        );
    }
    let html = server.client().get("/api-docs").text();
    for inline in ["<style", " style=", "<script>", " onclick="] {
        assert!(!html.contains(inline), "{inline} would be refused by the policy");
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
