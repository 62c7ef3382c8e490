//! GET /api/v1/products: pages.

use serde_json::json;
use testkit::{Server, Topology, on_each};

use crate::people::register;
use crate::v1::{LIMIT, PAGE, assert_invalid, broken_query, create_named, list, names};

on_each!(
    pages_cut_the_list,
    a_limit_above_100_is_served_up_to_1000,
    page_and_limit_have_rules,
    absurd_pages_are_answered,
);

fn pages_cut_the_list(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for number in 1..=11 {
        create_named(&api, &format!("{number}"));
    }
    assert_eq!(names(&api, "").len(), 10, "limit is 10 unless asked");
    for (query, page, limit, pages, expected) in [
        ("", 1, 10, 2, "11 10 9 8 7 6 5 4 3 2"),
        ("page=2", 2, 10, 2, "1"),
        ("page=3", 3, 10, 2, ""),
        ("limit=4", 1, 4, 3, "11 10 9 8"),
        ("limit=4&page=2", 2, 4, 3, "7 6 5 4"),
        ("page=3&limit=4", 3, 4, 3, "3 2 1"),
        ("page=4&limit=4", 4, 4, 3, ""),
        ("limit=1&page=11", 11, 1, 11, "1"),
        ("limit=11", 1, 11, 1, "11 10 9 8 7 6 5 4 3 2 1"),
        ("limit=100", 1, 100, 1, "11 10 9 8 7 6 5 4 3 2 1"),
    ] {
        let pagination = json!({ "page": page, "limit": limit, "total": 11, "pages": pages });
        assert_eq!(list(&api, query)["pagination"], pagination, "{query}");
        assert_eq!(names(&api, query).join(" "), expected, "{query}");
    }
}

/// The dashboard of the known front end asks for 1000.
fn a_limit_above_100_is_served_up_to_1000(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    for number in 0..101 {
        create_named(&api, &format!("{number}"));
    }
    assert_eq!(names(&api, "limit=1000").len(), 101);
    for (asked, limit) in [
        ("100", 100),
        ("101", 101),
        ("999", 999),
        ("1000", 1000),
        ("1001", 1000),
        ("2147483648", 1000),
        ("99999999999999999999999999", 1000),
    ] {
        let pages = 101_u32.div_ceil(limit);
        let pagination = json!({ "page": 1, "limit": limit, "total": 101, "pages": pages });
        assert_eq!(list(&api, &format!("limit={asked}"))["pagination"], pagination);
    }
}

fn page_and_limit_have_rules(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    let get = |query: &str| api.get(&format!("/api/v1/products?{query}"));
    for bad in ["0", "-1", "1.5", "abc", "1e1", "0x1", "one", "-99999999999999999999", "NaN"] {
        assert_invalid(&get(&format!("page={bad}")), &[broken_query("page", bad, PAGE)]);
        assert_invalid(&get(&format!("limit={bad}")), &[broken_query("limit", bad, LIMIT)]);
        assert_invalid(
            &get(&format!("limit={bad}&page={bad}")),
            &[broken_query("page", bad, PAGE), broken_query("limit", bad, LIMIT)],
        );
    }
    // Decoded before it is shown.
    assert_invalid(&get("page=%27%3B--"), &[broken_query("page", "';--", PAGE)]);
}

fn absurd_pages_are_answered(topology: Topology) {
    let server = Server::start(topology);
    let api = register(&server).api;
    create_named(&api, "only");
    for page in ["1000000", "2147483647", "4294967296"] {
        let data = list(&api, &format!("page={page}&limit=1000"));
        assert_eq!(data["products"], json!([]), "{page}");
        assert_eq!(data["pagination"]["total"], 1);
    }
    let digits = "9".repeat(3_000);
    for page in ["9223372036854775807", "9223372036854775808", "18446744073709551616", &digits] {
        for query in [format!("page={page}"), format!("page={page}&limit=1000"), format!("page={page}&limit={page}")] {
            let status = api.get(&format!("/api/v1/products?{query}")).status;
            assert!(status == 200 || status == 400, "{query:.60}: {status}");
        }
    }
    for odd in [
        "page=",
        "limit=",
        "page",
        "page=1&page=2",
        "page[]=1",
        "limit=%00",
        "page=%ff",
        "%",
        "&&&=&=",
        "page=+1",
        "page=%201",
        "category=%ff%fe",
        "search=%ff",
        "search=%00",
        "category=%00",
        "search[]=x",
        "category=a&category=b",
    ] {
        let status = api.get(&format!("/api/v1/products?{odd}")).status;
        assert!(status == 200 || status == 400, "{odd}: {status}");
    }
}
