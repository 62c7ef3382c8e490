//! GET /api-docs

use testkit::{Server, Topology, on_both};

on_both!(anyone_reads_the_api_page);

fn anyone_reads_the_api_page(topology: Topology) {
    let server = Server::start(topology);
    let page = server.client().get("/api-docs").expect(200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    let html = page.text().to_lowercase();
    assert!(html.contains("<html"), "{html}");
    // It works without the internet: nothing is loaded from elsewhere.
    for elsewhere in ["src=\"http", "src=\"//", "rel=\"stylesheet\" href=\"http"] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
}
