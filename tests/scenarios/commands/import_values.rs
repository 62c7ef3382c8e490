//! What the cells of a file mean for products that exist, and for those that do not.

use serde_json::{Value, json};
use testkit::{Client, Outcome, Server, Topology, on_both};

use crate::people::unique;
use crate::selling::{self, PRODUCTS, RESERVATIONS, basket, id, usd, verified};
use crate::v1::text;
use crate::v2::{self, log_in, register};

on_both!(
    a_column_that_is_not_there_takes_nothing_away,
    an_empty_cell_clears_what_may_be_absent,
    variants_that_the_file_does_not_name_stay,
    stock_changes_by_what_the_file_changed,
    stock_stays_above_what_is_reserved,
    stock_may_be_kept_or_set,
    without_a_quantity_nothing_is_sold_out,
    skus_may_repeat_and_are_told,
    skus_are_unique_where_a_shop_says_so,
    skus_may_be_swapped,
    what_swaps_skus_is_told_whole,
    the_first_quantity_says_what_there_is,
    refused_products_go_into_a_report,
    a_dry_run_tells_what_the_import_does,
    what_real_files_hold_has_a_place,
    files_and_clients_have_the_same_rules,
    prices_of_another_currency_come_all_or_not,
);

/// A seller with a shop to import into.
struct Shop {
    server: Server,
    email: String,
    api: Client,
}

impl Shop {
    fn new(topology: Topology) -> Self {
        let server = Server::start(topology);
        let email = register(&server);
        let api = log_in(&server, &email);
        Self { server, email, api }
    }

    fn import(&self, csv: &str, options: &[&str]) -> Outcome {
        let file = self.server.folder().join(format!("{}.csv", unique("shop")));
        std::fs::write(&file, csv).expect("a file");
        let file = file.display().to_string();
        let mut command = vec!["import", "csv", &file, "--owner", &self.email];
        command.extend(options);
        self.server.run(&command)
    }

    fn products(&self) -> Vec<Value> {
        v2::walk(&self.api, "/api/v2/me/products?", 100)
    }

    #[track_caller]
    fn product(&self, handle: &str) -> Value {
        self.products().into_iter().find(|product| product["handle"] == handle).expect("the product")
    }

    fn on_hand(&self, handle: &str) -> Value {
        self.product(handle)["variants"][0]["stock"]["on_hand"].clone()
    }

    /// Sells so many units of the first variant.
    fn sell(&self, handle: &str, units: i64) {
        let held = self.hold(handle, units);
        self.api.post(&format!("{RESERVATIONS}/{}/commit", id(&held)), &json!({})).expect(200);
    }

    fn hold(&self, handle: &str, units: i64) -> Value {
        let variant = id(&self.product(handle)["variants"][0]);
        self.api.post(RESERVATIONS, &basket(&[(&variant, units)])).expect(201).json()
    }
}

fn said(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout, outcome.stderr)
}

const FULL: &str = "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Status,Option1 Name,Option1 Value,Variant SKU,\
    Variant Barcode,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,\
    Variant Compare At Price,Image Src,Variant Image,SEO Title,SEO Description,Material (product.metafields.custom.material)\n\
    lamp,Lamp,<p>Bright</p>,Acme,Home > Light,Lights,\"a, b\",active,Title,Default Title,L-1,4006381333931,453.59237,shopify,7,\
    continue,19.90,25.00,https://x.example/lamp.jpg,https://x.example/detail.jpg,Buy a lamp,The best,Brass\n";

fn a_column_that_is_not_there_takes_nothing_away(topology: Topology) {
    let shop = Shop::new(topology);
    shop.import(FULL, &[]).expect_code(0);
    let before = shop.product("lamp");
    let outcome = shop.import("Handle,Title,Variant Price\nlamp,Desk lamp,21.50\n", &[]).expect_code(0);
    assert!(outcome.stdout.contains("1 updated"), "{}", outcome.stdout);
    let mut expected = before.clone();
    expected["name"] = "Desk lamp".into();
    expected["price"] = usd(2_150);
    expected["variants"][0]["price"] = usd(2_150);
    let mut after = shop.product("lamp");
    assert_eq!(after["version"], 2);
    for field in ["version", "updated_at", "etag"] {
        after[field] = expected[field].clone();
    }
    assert_eq!(after, expected);
    // Without a price column, products that exist are changed, and new ones are refused.
    let outcome = shop.import("Handle,Title,Vendor\nlamp,Lamp,Other\nnew,New,Other\n", &[]).expect_code(1);
    assert!(outcome.stdout.contains("1 updated, 0 unchanged, 1 refused"), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("row 3 (new)") && outcome.stderr.contains("price"), "{}", outcome.stderr);
    let after = shop.product("lamp");
    assert_eq!((&after["vendor"], &after["price"], shop.products().len()), (&json!("Other"), &usd(2_150), 1));
}

fn an_empty_cell_clears_what_may_be_absent(topology: Topology) {
    let shop = Shop::new(topology);
    shop.import(FULL, &[]).expect_code(0);
    let header = FULL.split_once('\n').expect("a header").0;
    let empty = format!("{header}\nlamp,,,,,,,,Title,Default Title,,,,shopify,,,,,,,,,\n");
    shop.import(&empty, &[]).expect_code(0);
    let lamp = shop.product("lamp");
    for field in ["description", "vendor", "category", "category_path", "seo_title", "seo_description"] {
        assert_eq!(lamp[field], Value::Null, "{field}");
    }
    for (field, nothing) in [("tags", json!([])), ("images", json!([])), ("attributes", json!({}))] {
        assert_eq!(lamp[field], nothing, "{field}");
    }
    let variant = &lamp["variants"][0];
    for field in ["sku", "barcode", "weight_grams", "compare_at_price"] {
        assert_eq!(variant[field], Value::Null, "{field}");
    }
    assert_eq!(variant["images"], json!([]));
    // What cannot be absent stays.
    assert_eq!((&lamp["name"], &lamp["status"], &lamp["price"]), (&json!("Lamp"), &json!("active"), &usd(1_990)));
    assert_eq!((&variant["stock"]["on_hand"], &variant["backorder"]), (&json!(7), &json!(true)));
    // Empty cells of the rows below clear nothing.
    let two = "Handle,Title,Vendor,Tags,Option1 Name,Option1 Value,Variant Price\n\
               shirt,Shirt,Acme,x,Size,S,1\nshirt,,,,,M,1\n";
    shop.import(two, &[]).expect_code(0);
    let shirt = shop.product("shirt");
    assert_eq!((&shirt["vendor"], &shirt["tags"]), (&json!("Acme"), &json!(["x"])));
    assert_eq!(shirt["variants"].as_array().map(Vec::len), Some(2));
}

fn variants_that_the_file_does_not_name_stay(topology: Topology) {
    let shop = Shop::new(topology);
    let header = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty\n";
    shop.import(&format!("{header}shirt,Shirt,Size,S,A,1,3\nshirt,,,M,B,2,4\n"), &[]).expect_code(0);
    let outcome = shop.import(&format!("{header}shirt,Shirt,Size,S,A,5,3\n"), &[]).expect_code(0);
    assert!(outcome.stdout.contains("`M`"), "{}", outcome.stdout);
    let shirt = shop.product("shirt");
    assert_eq!((&shirt["variants"][0]["price"], &shirt["variants"][1]["stock"]["on_hand"]), (&usd(500), &json!(4)));
    // Without options, the SKU tells which one is meant.
    shop.import("Handle,Title,Variant SKU,Variant Price\nshirt,Shirt,B,7\n", &[]).expect_code(0);
    let shirt = shop.product("shirt");
    assert_eq!((&shirt["variants"][0]["price"], &shirt["variants"][1]["price"]), (&usd(500), &usd(700)));
    let outcome = shop.import("Handle,Title,Variant Price\nshirt,Shirt,9\n", &[]).expect_code(1);
    assert!(outcome.stderr.contains("has 2 variants") && outcome.stderr.contains("SKU"), "{}", outcome.stderr);
    // One that is renamed keeps its stock, by its SKU.
    shop.import(&format!("{header}shirt,Shirt,Size,Small,A,5,3\nshirt,,,M,B,7,4\n"), &[]).expect_code(0);
    let renamed = shop.product("shirt");
    assert_eq!(renamed["variants"][0]["id"], shirt["variants"][0]["id"]);
    assert_eq!(renamed["variants"][0]["options"]["Size"], "Small");
    assert_eq!(renamed["variants"].as_array().map(Vec::len), Some(2));
}

fn pot(title: &str, quantity: &str) -> String {
    format!("Handle,Title,Status,Variant Price,Variant Inventory Qty\npot,{title},active,9.99,{quantity}\n")
}

fn stock_changes_by_what_the_file_changed(topology: Topology) {
    let shop = Shop::new(topology);
    shop.import(&pot("Pot", "10"), &[]).expect_code(0);
    shop.sell("pot", 4);
    shop.import(&pot("Flower pot", "10"), &[]).expect_code(0);
    assert_eq!(shop.on_hand("pot"), 6);
    shop.import(&pot("Flower pot", "12"), &[]).expect_code(0);
    assert_eq!(shop.on_hand("pot"), 8);
    shop.import(&pot("Flower pot", "12"), &[]).expect_code(0);
    assert_eq!(shop.on_hand("pot"), 8);
    // The first file over a product that was made here says what there is.
    let cup = json!({ "name": "Cup", "handle": "cup", "price": usd(100), "stock": 5 });
    selling::create(&shop.api, &cup);
    shop.import("Handle,Title,Variant Price,Variant Inventory Qty\ncup,Cup,1,9\n", &[]).expect_code(0);
    assert_eq!(shop.on_hand("cup"), 9);
    // An empty quantity changes nothing.
    shop.import("Handle,Title,Variant Price,Variant Inventory Qty\ncup,Mug,1,\n", &[]).expect_code(0);
    assert_eq!(shop.on_hand("cup"), 9);
    verified(&shop.server);
}

fn stock_stays_above_what_is_reserved(topology: Topology) {
    let shop = Shop::new(topology);
    shop.import(&pot("Pot", "10"), &[]).expect_code(0);
    shop.hold("pot", 8);
    let dry = shop.import(&pot("Pot", "3"), &["--dry-run"]).expect_code(0);
    let done = shop.import(&pot("Pot", "3"), &[]).expect_code(0);
    for outcome in [&dry, &done] {
        assert!(outcome.stdout.contains("3 units by the file, but 8 are reserved"), "{}", outcome.stdout);
    }
    assert_eq!(shop.on_hand("pot"), 8);
    // What the file said counts, not what was possible.
    shop.import(&pot("Pot", "5"), &[]).expect_code(0);
    assert_eq!(shop.on_hand("pot"), 10);
    verified(&shop.server);
}

fn stock_may_be_kept_or_set(topology: Topology) {
    let shop = Shop::new(topology);
    shop.import(&pot("Pot", "10"), &["--stock", "keep"]).expect_code(0);
    assert_eq!(shop.on_hand("pot"), 10, "a new product has what the file says");
    shop.sell("pot", 4);
    shop.import(&pot("Kept", "20"), &["--stock", "keep"]).expect_code(0);
    assert_eq!(shop.on_hand("pot"), 6);
    shop.import(&pot("Set", "20"), &["--stock", "set"]).expect_code(0);
    assert_eq!(shop.on_hand("pot"), 20);
    // Also when the file says nothing new; edits since then stand.
    shop.sell("pot", 1);
    let pot_now = shop.product("pot");
    v2::patch(&shop.api, &selling::path(&pot_now), "*", &json!({ "name": "Edited" })).expect(200);
    shop.import(&pot("Set", "20"), &["--stock", "set"]).expect_code(0);
    assert_eq!((shop.on_hand("pot"), shop.product("pot")["name"].clone()), (json!(20), json!("Edited")));
    let outcome = shop.import(&pot("Pot", "1"), &["--stock", "guess"]).expect_code(2);
    assert!(outcome.stderr.contains("changes, keep or set"), "{}", outcome.stderr);
}

fn without_a_quantity_nothing_is_sold_out(topology: Topology) {
    let shop = Shop::new(topology);
    let file = "Handle,Title,Status,Variant Inventory Tracker,Variant Price\npot,Pot,active,shopify,1\n";
    let outcome = shop.import(file, &[]).expect_code(0);
    assert!(outcome.stdout.contains("variants without a quantity: 1"), "{}", outcome.stdout);
    let variant = shop.product("pot")["variants"][0].clone();
    assert_eq!((&variant["inventory"], &variant["in_stock"]), (&json!("untracked"), &json!(true)));
    shop.hold("pot", 1_000);
    // The same kind of file again does not make it sold out either.
    shop.import(&file.replace("Pot", "Jar"), &[]).expect_code(0);
    assert_eq!(shop.product("pot")["variants"][0]["inventory"], "untracked");
    let other = file.replace("pot,", "cup,");
    shop.import(&other, &["--quantity", "3"]).expect_code(0);
    let variant = shop.product("cup")["variants"][0].clone();
    assert_eq!((&variant["inventory"], &variant["stock"]["on_hand"]), (&json!("tracked"), &json!(3)));
    // A quantity beside an empty tracker is kept, and not counted.
    let untracked = "Handle,Title,Variant Inventory Tracker,Variant Inventory Qty,Variant Price\njar,Jar,,4,1\n";
    let outcome = shop.import(untracked, &[]).expect_code(0);
    assert!(outcome.stdout.contains("did not count: 1"), "{}", outcome.stdout);
    let variant = shop.product("jar")["variants"][0].clone();
    assert_eq!((&variant["inventory"], &variant["stock"]["on_hand"]), (&json!("untracked"), &json!(4)));
    let negative = "Handle,Title,Variant Inventory Tracker,Variant Inventory Qty,Variant Price\nbox,Box,shopify,-3,1\n";
    let outcome = shop.import(negative, &[]).expect_code(0);
    assert!(outcome.stdout.contains("-3 units"), "{}", outcome.stdout);
    assert_eq!(shop.on_hand("box"), 0);
}

const TWINS: &str = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\n\
    a,A,Size,S,K-1,1\na,,,M,k-1,1\nb,B,Title,Default Title,K-1,1\n";

fn skus_may_repeat_and_are_told(topology: Topology) {
    let shop = Shop::new(topology);
    let outcome = shop.import(TWINS, &[]).expect_code(0);
    assert!(outcome.stdout.contains("row 3 (a): `k-1` is also the SKU of row 2"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("row 4 (b): `K-1` is also the SKU of row"), "{}", outcome.stdout);
    assert_eq!(shop.products().len(), 2);
    // Those of products that are not in the file too.
    let outcome = shop.import("Handle,Title,Variant SKU,Variant Price\nc,C,K-1,1\n", &[]).expect_code(0);
    assert!(outcome.stdout.contains("row 2 (c): `K-1` is also a SKU of `"), "{}", outcome.stdout);
    let found = shop.server.run(&["products", "unique-sku"]).expect_code(0);
    assert!(found.stdout.contains("k-1: ") && found.stdout.contains("off"), "{}", found.stdout);
    assert!(found.stdout.contains(&shop.email), "{}", found.stdout);
    // Clients may say so as well.
    let twins = json!({ "name": "D", "variants": [
        { "options": { "Size": "S" }, "price": usd(1), "sku": "K-1" },
        { "options": { "Size": "M" }, "price": usd(1), "sku": "K-1" },
    ] });
    selling::create(&shop.api, &twins);
}

fn skus_are_unique_where_a_shop_says_so(topology: Topology) {
    let shop = Shop::new(topology);
    shop.import(TWINS, &[]).expect_code(0);
    let refused = shop.server.run(&["products", "unique-sku", "on"]).expect_code(1);
    assert!(refused.stdout.contains("k-1") && refused.stderr.contains("nothing was changed"), "{}", said(&refused));
    for product in shop.products() {
        v2::delete(&shop.api, &selling::path(&product), "*").expect(204);
    }
    let on = shop.server.run(&["products", "unique-sku", "on"]).expect_code(0);
    assert!(on.stdout.starts_with("on"), "{}", on.stdout);
    // Within a product: all rows that repeat it are named, and nothing of it is made.
    let dry = shop.import(TWINS, &["--dry-run"]).expect_code(1);
    let outcome = shop.import(TWINS, &[]).expect_code(1);
    for outcome in [&dry, &outcome] {
        assert!(outcome.stderr.contains("row 3 (a), Variant SKU: `k-1` is also the SKU of row 2"), "{}", said(outcome));
        assert!(outcome.stderr.contains("unique-sku off"), "{}", outcome.stderr);
        assert!(outcome.stdout.contains("0 unchanged, 1 "), "{}", outcome.stdout);
    }
    assert_eq!(shop.products().len(), 1, "b has it alone");
    let outcome = shop.import("Handle,Title,Variant SKU,Variant Price\nc,C,K-1,1\n", &[]).expect_code(1);
    assert!(outcome.stderr.contains("row 2 (c), Variant SKU: `K-1` is the SKU of `b` too"), "{}", outcome.stderr);
    let answer = shop.api.post(PRODUCTS, &json!({ "name": "D", "price": usd(1), "sku": "k-1" }));
    v2::assert_problem(&answer, 409, "conflict");
    assert!(answer.text().contains("k-1 of b"), "{}", answer.text());
    let twins = json!({ "name": "D", "variants": [
        { "options": { "Size": "S" }, "price": usd(1), "sku": "N" },
        { "options": { "Size": "M" }, "price": usd(1), "sku": "n" },
    ] });
    let answer = shop.api.post(PRODUCTS, &twins);
    v2::assert_problem(&answer, 422, "validation-failed");
    assert_eq!(answer.json()["errors"][0]["pointer"], "/variants/1/sku");
    shop.server.run(&["products", "unique-sku", "off"]).expect_code(0);
    selling::create(&shop.api, &twins);
}

fn skus_may_be_swapped(topology: Topology) {
    let shop = Shop::new(topology);
    shop.server.run(&["products", "unique-sku", "on"]).expect_code(0);
    let file = |a: &str, b: &str, c: &str| {
        format!("Handle,Title,Variant SKU,Variant Price,Variant Inventory Qty\na,A,{a},1,1\nb,B,{b},1,2\nc,C,{c},1,3\n")
    };
    shop.import(&file("K-1", "K-2", "K-3"), &[]).expect_code(0);
    let dry = shop.import(&file("K-2", "K-3", "K-1"), &["--dry-run"]).expect_code(0);
    let outcome = shop.import(&file("K-2", "K-3", "K-1"), &[]).expect_code(0);
    for outcome in [&dry, &outcome] {
        assert!(outcome.stdout.contains("updated, 0 unchanged, 0 "), "{}", outcome.stdout);
    }
    let skus = ["a", "b", "c"].map(|handle| text(&shop.product(handle)["variants"][0]["sku"]));
    assert_eq!(skus, ["K-2", "K-3", "K-1"]);
    // One that somebody outside the file keeps is refused, and the rest arrives.
    let two = "Handle,Title,Variant SKU,Variant Price\na,A,K-3,1\nb,B,K-1,1\n";
    let outcome = shop.import(two, &[]).expect_code(1);
    assert!(outcome.stderr.contains("row 3 (b), Variant SKU: `K-1` is the SKU of `c` too"), "{}", outcome.stderr);
    verified(&shop.server);
}

fn what_swaps_skus_is_told_whole(topology: Topology) {
    let shop = Shop::new(topology);
    shop.server.run(&["products", "unique-sku", "on"]).expect_code(0);
    let header = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty\n";
    let first = "a,A,Size,S,A,1,5\na,,,M,B,1,5\nc,C,Title,Default Title,C,1,5\nd,D,Title,Default Title,D,1,5\n";
    shop.import(&format!("{header}{first}"), &[]).expect_code(0);
    // The holder keeps its SKU: on a variant of which the file does not speak, and because it is refused.
    let long = "n".repeat(256);
    let kept = format!(
        "{header}a,A,Size,S,N,1,5\nc,C,Title,Default Title,B,1,5\nd,{long},Title,Default Title,X,1,5\n\
         e,E,Title,Default Title,D,1,5\n"
    );
    let dry = shop.import(&kept, &["--dry-run"]).expect_code(1);
    let done = shop.import(&kept, &[]).expect_code(1);
    assert_eq!(told(&dry), told(&done));
    for taken in ["`B` is the SKU of `a` too", "`D` is the SKU of `d` too", "255 characters"] {
        assert!(done.stderr.contains(taken), "{taken}: {}", said(&done));
    }
    assert!(done.stdout.contains("1 updated, 0 unchanged, 3 refused"), "{}", done.stdout);
    // What goes with a swap is told too.
    let swapped = format!("{header}a,A,Title,Default Title,C,1,5\nc,C,Title,Default Title,B,1,-3\n");
    let dry = shop.import(&swapped, &["--dry-run"]).expect_code(0);
    let done = shop.import(&swapped, &[]).expect_code(0);
    assert_eq!(told(&dry), told(&done));
    assert!(done.stdout.contains("variants that go") && done.stdout.contains("-3 units"), "{}", done.stdout);
    // Many in a circle, and new ones that take what they leave.
    let ring = |shift: usize| {
        let row = |n: usize| format!("r{n},R,Title,Default Title,R{},1,1\n", (n + shift) % 150);
        (0..150).map(row).collect::<String>()
    };
    shop.import(&format!("{header}{}", ring(0)), &[]).expect_code(0);
    let done = shop.import(&format!("{header}{}", ring(1)), &[]).expect_code(0);
    assert!(done.stdout.contains("150 updated, 0 unchanged, 0 refused"), "{}", done.stdout);
    let moved = format!("{header}new,New,Title,Default Title,R1,1,1\nr0,R,Title,Default Title,Z,1,1\n");
    let done = shop.import(&moved, &[]).expect_code(0);
    assert!(done.stdout.contains("1 product created, 1 updated"), "{}", done.stdout);
    verified(&shop.server);
}

fn the_first_quantity_says_what_there_is(topology: Topology) {
    let shop = Shop::new(topology);
    let adjust = |units: i64, reason: &str| {
        let variant = &shop.product("pot")["variants"][0];
        let path = format!("{}/stock-adjustments", selling::variant_path(variant));
        shop.api.post(&path, &json!({ "delta": units, "reason": reason })).expect(201);
    };
    shop.import("Handle,Title,Status,Variant Price\npot,Pot,active,1\n", &[]).expect_code(0);
    adjust(7, "counted");
    shop.import(&pot("Pot", "10"), &[]).expect_code(0);
    let variant = shop.product("pot")["variants"][0].clone();
    assert_eq!((&variant["stock"]["on_hand"], &variant["inventory"]), (&json!(10), &json!("tracked")));
    // What a seller says of an adjustment makes it no file.
    adjust(5, "import");
    shop.import(&pot("Pot", "12"), &[]).expect_code(0);
    assert_eq!(shop.on_hand("pot"), 17);
    // A quantity that was not taken is taken the next time.
    shop.import(&pot("Pot", "20"), &["--stock", "keep"]).expect_code(0);
    assert_eq!(shop.on_hand("pot"), 17);
    shop.import(&pot("Pot", "20"), &[]).expect_code(0);
    assert_eq!(shop.on_hand("pot"), 25);
}

fn refused_products_go_into_a_report(topology: Topology) {
    let shop = Shop::new(topology);
    let rows: String = (0..30).map(|n| format!("bad-{n},Bad,Size,S,{n}x,\nbad-{n},,,M,1,\"two\nlines\"\n")).collect();
    let header = "Handle,Title,Option1 Name,Option1 Value,Variant Price,Body (HTML)";
    let file = format!("{header}\ngood,Good,Title,Default Title,1,\n{rows}");
    let report = shop.server.folder().join("refused.csv").display().to_string();
    let dry = shop.import(&file, &["--dry-run", "--report", &report]).expect_code(1);
    std::fs::remove_file(&report).expect("a dry run writes it as well");
    let outcome = shop.import(&file, &["--report", &report]).expect_code(1);
    for outcome in [&dry, &outcome] {
        assert!(outcome.stdout.contains("0 unchanged, 30 "), "counts are of products: {}", outcome.stdout);
        assert!(outcome.stderr.contains("`0x` is"), "the value: {}", outcome.stderr);
        assert!(outcome.stderr.contains("and 10 more products are refused"), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.matches("refused: ").count(), 20, "{}", outcome.stderr);
    }
    let all = shop.import(&file, &["--all"]).expect_code(1);
    assert_eq!(all.stderr.matches("refused: ").count(), 30, "{}", all.stderr);
    let written = std::fs::read_to_string(&report).expect("a report");
    assert!(written.starts_with(&format!("{header},PrimeTrade row,PrimeTrade problem\n")), "{written}");
    assert!(written.contains("`29x` is") && !written.contains("good"), "{written}");
    // It is never written over what is there.
    let taken = shop.import(&file, &["--report", &report]).expect_code(1);
    assert!(taken.stderr.contains("is there already"), "{}", taken.stderr);
    // Mended, it arrives whole.
    let mended: String = (0..30).rev().fold(written, |mended, n| mended.replace(&format!(",{n}x,"), ",2,"));
    let outcome = shop.import(&mended, &[]).expect_code(0);
    assert!(
        outcome.stdout.contains("30 products created") && !outcome.stdout.contains("PrimeTrade"),
        "{}",
        outcome.stdout
    );
    assert_eq!(shop.product("bad-7")["variants"].as_array().map(Vec::len), Some(2));
    // Nothing refused leaves no report.
    let none = shop.server.folder().join("none.csv");
    shop.import(&mended, &["--report", &none.display().to_string()]).expect_code(0);
    assert!(!none.exists());
}

/// The lines that tell of products.
fn told(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.stdout.lines().chain(outcome.stderr.lines());
    lines.filter(|line| !line.contains("rows/s")).map(str::to_owned).collect()
}

fn a_dry_run_tells_what_the_import_does(topology: Topology) {
    let shop = Shop::new(topology);
    let header = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty\n";
    shop.import(&format!("{header}a,A,Size,S,1,1,5\na,,,M,2,1,5\nb,B,Title,Default Title,3,1,5\n"), &[]).expect_code(0);
    let before = shop.products();
    let file = format!(
        "{header}a,A,Color,Red,1,2,5\nb,B,Color,Blue,9,1,9\nc,C,Title,Default Title,1,1,-1\nd,D,Title,Default Title,,x,1\n\
         e,{},Title,Default Title,,1,1\n",
        "n".repeat(256)
    );
    let dry = shop.import(&file, &["--dry-run", "--all"]).expect_code(1);
    assert_eq!(shop.products(), before, "nothing is written");
    let done = shop.import(&file, &["--all"]).expect_code(1);
    assert_eq!(told(&dry), told(&done));
    for word in ["`1` is also the SKU of row 2", "-1 units", "255 characters", "Variant Price: `x`"] {
        assert!(said(&done).contains(word), "{word}: {}", said(&done));
    }
    // The variant of a plain product goes when it gets options; that is told.
    assert!(done.stdout.contains("variants that go: 1"), "{}", done.stdout);
}

fn what_real_files_hold_has_a_place(topology: Topology) {
    let shop = Shop::new(topology);
    let file =
        FULL.replace(",active,", ",unlisted,").replace(",25.00,", ",15.00,").replace(",4006381333931,", ",'0012A,");
    shop.import(&file.replace(",Brass", ",'42"), &[]).expect_code(0);
    let lamp = shop.product("lamp");
    let variant = &lamp["variants"][0];
    assert_eq!((&lamp["status"], &lamp["category"]), (&json!("unlisted"), &json!("Lights")));
    assert_eq!(lamp["category_path"], "Home > Light");
    assert_eq!((&lamp["seo_title"], &lamp["seo_description"]), (&json!("Buy a lamp"), &json!("The best")));
    assert_eq!(lamp["attributes"], json!({ "custom.material": "42" }));
    assert_eq!(lamp["images"], json!([{ "url": "https://x.example/lamp.jpg", "alt": null }]));
    assert_eq!(variant["images"], json!([{ "url": "https://x.example/detail.jpg", "alt": null }]));
    assert_eq!((&variant["barcode"], &variant["compare_at_price"]), (&json!("0012A"), &usd(1_500)));
    assert_eq!(variant["weight_grams"].to_string(), "453.59237");
    assert_eq!((&variant["inventory"], &variant["backorder"]), (&json!("tracked"), &json!(true)));
    // An unlisted product is seen and bought by who has its address, and listed for its seller only.
    let anyone = shop.server.client();
    anyone.get(&selling::path(&lamp)).expect(200);
    assert_eq!(anyone.get(PRODUCTS).expect(200).json()["items"], json!([]));
    shop.hold("lamp", 1);
    let of = |status: &str| {
        shop.api.get(&format!("/api/v2/me/products?status={status}")).expect(200).json()["items"].clone()
    };
    assert_eq!((of("draft"), of("unlisted").as_array().map(Vec::len)), (json!([]), Some(1)));
    // The new template, with its names and values.
    let template = "Title,URL handle,Status,SKU,Barcode,Option1 name,Option1 value,Price,Compare-at price,Inventory tracker,\
        Inventory quantity,Continue selling when out of stock,Weight value (grams),Product image URL,Variant image URL,\
        SEO title\nPot,pot,Active,P-1,'42,Title,Default Title,5,4,shopify,0,CONTINUE,1.5,https://x.example/p,,T\n\
        Cup,cup,Active,C-1,,Title,Default Title,5,,shopify,0,DENY,,,,\n";
    shop.import(template, &[]).expect_code(0);
    let (pot, cup) = (shop.product("pot"), shop.product("cup"));
    assert_eq!((&pot["status"], &pot["variants"][0]["backorder"]), (&json!("active"), &json!(true)));
    assert_eq!(pot["variants"][0]["weight_grams"].to_string(), "1.5");
    assert_eq!(cup["variants"][0]["backorder"], json!(false));
    // Titles have up to 255 characters.
    shop.import(&format!("Handle,Title,Variant Price\nlong,{},1\n", "t".repeat(255)), &[]).expect_code(0);
    assert_eq!(shop.product("long")["name"].as_str().map(str::len), Some(255));
}

fn files_and_clients_have_the_same_rules(topology: Topology) {
    let shop = Shop::new(topology);
    let tags = (0..250).map(|n| format!("t{n}")).collect::<Vec<_>>().join(", ");
    let rows = |count: usize, description: usize| {
        let first = format!("big,Big,\"{tags}\",{},No,0,1\n", "d".repeat(description));
        let header = "Handle,Title,Tags,Body (HTML),Option1 Name,Option1 Value,Variant Price\n".to_owned();
        [header, first].into_iter().chain((1..count).map(|n| format!("big,,,,,{n},1\n"))).collect::<String>()
    };
    shop.import(&rows(300, 65_536), &[]).expect_code(0);
    let path = selling::path(&shop.product("big"));
    let read = shop.api.get(&path).expect(200);
    let body = crate::api::v2::round_trip::editable(&read.json());
    let put = v2::change(&shop.api, "PUT", &path, &v2::etag(&read), &body).expect(200);
    assert_eq!(put.json(), read.json(), "what was read is put back without a change");
    let refused = shop.import(&rows(1, 65_537), &[]).expect_code(1);
    assert!(refused.stderr.contains("65536 bytes"), "{}", refused.stderr);
    let mut longer = body.clone();
    longer["description"] = "d".repeat(65_537).into();
    v2::assert_problem(&v2::change(&shop.api, "PUT", &path, "*", &longer), 422, "validation-failed");
    let refused = shop.import(&rows(2_049, 1), &[]).expect_code(1);
    assert!(refused.stderr.contains("2048 variants"), "{}", refused.stderr);
}

fn prices_of_another_currency_come_all_or_not(topology: Topology) {
    let shop = Shop::new(topology);
    let header = "Handle,Title,Option1 Name,Option1 Value,Variant Price\n";
    shop.import(&format!("{header}a,A,Size,S,1\na,,,M,2\n"), &["--currency", "EUR"]).expect_code(0);
    let refused = shop.import(&format!("{header}a,A,Size,S,3\n"), &[]).expect_code(1);
    assert!(refused.stderr.contains("EUR") && refused.stderr.contains("--currency"), "{}", refused.stderr);
    assert_eq!(shop.product("a")["price"], json!({ "amount": 100, "currency": "EUR" }));
    shop.import(&format!("{header}a,A,Size,S,3\na,,,M,4\n"), &[]).expect_code(0);
    assert_eq!(shop.product("a")["price"], usd(300));
    // A file without prices says nothing of the currency.
    shop.import("Handle,Title,Vendor\na,A,Acme\n", &["--currency", "JPY"]).expect_code(0);
    assert_eq!(shop.product("a")["price"], usd(300));
}
