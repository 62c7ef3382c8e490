use std::io::{self, Cursor, Read};

use kernel::Currency;

use super::*;

const APPAREL: &str = include_str!("../../../../tests/data/shopify/apparel.csv");
const HOME: &str = include_str!("../../../../tests/data/shopify/home-and-garden.csv");

/// The old names beside today's, for the columns of the samples.
const RENAMED: &[(&str, &str)] = &[
    ("Handle", "URL handle"),
    ("Body (HTML)", "Description"),
    ("Published", "Published on online store"),
    ("Option1 Name", "Option1 name"),
    ("Option1 Value", "Option1 value"),
    ("Variant SKU", "SKU"),
    ("Variant Barcode", "Barcode"),
    ("Variant Inventory Tracker", "Inventory tracker"),
    ("Variant Inventory Qty", "Inventory quantity"),
    ("Variant Inventory Policy", "Continue selling when out of stock"),
    ("Variant Price", "Price"),
    ("Variant Compare At Price", "Compare-at price"),
    ("Image Src", "Product image URL"),
    ("Image Position", "Image position"),
    ("Image Alt Text", "Image alt text"),
];

type Items = (Vec<ImportedProduct>, Vec<RowError>, Report);

fn rows_of(reader: impl Read) -> Result<Items, FileError> {
    let mut rows = ProductRows::new(reader, Currency::USD)?;
    let (mut products, mut errors) = (Vec::new(), Vec::new());
    for item in &mut rows {
        match item {
            Ok(product) => products.push(product),
            Err(ImportError::Row(error)) => errors.push(error),
            Err(ImportError::File(error)) => return Err(error),
        }
    }
    assert!(rows.next().is_none());
    let report = rows.report();
    assert_eq!(report.products, products.len() as u64);
    Ok((products, errors, report))
}

fn import(csv: impl AsRef<[u8]>) -> Items {
    rows_of(csv.as_ref()).unwrap()
}

fn header_error(csv: impl AsRef<[u8]>) -> String {
    rows_of(csv.as_ref()).unwrap_err().to_string()
}

/// One product of one row with these columns beside handle, title and price.
fn with(names: &str, values: &str) -> Items {
    import(format!("Handle,Title,Price,{names}\nshirt,Shirt,9.99,{values}\n"))
}

fn only(items: Items) -> ImportedProduct {
    assert_eq!(items.1, []);
    let [product] = <[_; 1]>::try_from(items.0).unwrap();
    product
}

fn only_error(items: Items) -> RowError {
    assert_eq!(items.0, []);
    let [error] = <[_; 1]>::try_from(items.1).unwrap();
    error
}

fn new_header(csv: &str) -> String {
    let (header, body) = csv.split_once('\n').unwrap();
    let renamed: Vec<&str> = header
        .trim_end()
        .split(',')
        .map(|name| RENAMED.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new))
        .collect();
    assert_ne!(header, renamed.join(","));
    format!("{}\n{body}", renamed.join(","))
}

fn unhoused<'a>(report: &'a Report, start: &str) -> Option<&'a (String, u64)> {
    report.unhoused.iter().find(|(name, _)| name.starts_with(start))
}

#[test]
fn the_sample_of_apparel_is_read_whole() {
    let (products, errors, report) = import(APPAREL);
    assert_eq!(errors, []);
    assert_eq!((report.rows, report.products, report.variants, report.images), (22, 20, 22, 20));
    assert_eq!((report.untracked_variants, report.negative_quantities), (22, 0));
    let top = &products[1];
    assert_eq!((top.row, top.rows, top.handle.as_str()), (3, 3, "classic-varsity-top"));
    assert_eq!(top.name, "Classic Varsity Top");
    assert!(top.description.as_ref().unwrap().ends_with("embroidered letter."));
    assert_eq!(top.vendor.as_deref(), Some("partners-demo"));
    assert_eq!((top.category.as_deref(), top.status), (None, ImportedStatus::Active));
    assert_eq!((&top.tags, &top.option_names), (&vec!["women".to_owned()], &vec!["Size".to_owned()]));
    let sizes: Vec<_> = top.variants.iter().map(|v| (v.option_values[0].as_str(), v.price, v.quantity)).collect();
    assert_eq!(sizes, [("Small", 6_000, 1), ("Medium", 6_000, 1), ("Large", 6_000, 1)]);
    assert_eq!(products[0].option_names, Vec::<String>::new());
    assert_eq!(products[0].variants[0].option_values, Vec::<String>::new());
    assert_eq!(products[19].handle, "led-high-tops");
    let expected = [
        ("Variant Grams", 22),
        ("Variant Fulfillment Service", 22),
        ("Variant Requires Shipping", 22),
        ("Variant Taxable", 22),
        ("Gift Card", 20),
        ("Variant Weight Unit", 22),
    ];
    assert_eq!(report.unhoused, expected.map(|(name, rows)| (name.to_owned(), rows)));
}

#[test]
fn the_sample_of_home_and_garden_is_read_whole() {
    let (products, errors, report) = import(HOME);
    assert_eq!(errors, []);
    assert_eq!((report.rows, report.products, report.variants, report.images), (21, 20, 21, 21));
    assert_eq!(report.untracked_variants, 20);
    let pot = &products[0];
    assert_eq!(pot.category.as_deref(), Some("Outdoor"));
    assert_eq!(pot.tags, ["Pot", "Plants"]);
    assert_eq!(pot.variants.iter().map(|v| (v.price, v.quantity)).collect::<Vec<_>>(), [(999, 1), (1_599, 3)]);
    assert!(pot.images[1].url.ends_with("pot-with-a-single-sprout_925x.jpg"));
    let light = &products[1].variants[0];
    assert_eq!((light.price, light.compare_at_price, light.quantity), (5_999, Some(7_500), 2));
}

#[test]
fn old_and_new_headers_mean_the_same() {
    for csv in [APPAREL, HOME] {
        let (old, renamed) = (import(csv), import(new_header(csv)));
        assert_eq!(old.0, renamed.0);
        assert_eq!(old.2, renamed.2);
        let shouted = csv.replacen(csv.lines().next().unwrap(), &csv.lines().next().unwrap().to_uppercase(), 1);
        assert_eq!(import(shouted).0, old.0);
    }
}

#[test]
fn byte_order_marks_line_ends_and_the_reads_of_the_source_do_not_matter() {
    let expected = import(HOME).0;
    let unix = HOME.replace("\r\n", "\n");
    for csv in [
        format!("\u{feff}{HOME}"),
        unix.clone(),
        unix.replace('\n', "\r\n"),
        unix.replace('\n', "\r"),
        unix.trim_end().to_owned(),
        format!("\u{feff}\"Handle\"{}", unix.strip_prefix("Handle").unwrap()),
    ] {
        assert_eq!(import(&csv).0, expected);
        let dribble = Dribble { bytes: Cursor::new(csv), calls: 0 };
        assert_eq!(rows_of(dribble).unwrap().0, expected);
    }
}

/// One byte at a time, with every third call interrupted.
struct Dribble {
    bytes: Cursor<String>,
    calls: u64,
}

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let one = buffer.len().min(1);
        self.bytes.read(&mut buffer[..one])
    }
}

#[test]
fn rows_are_numbered_as_a_spreadsheet_numbers_them() {
    for end in ["\n", "\r\n"] {
        let csv = "Handle,Title,Price,Body (HTML)|a,A,1,\"two|lines\"||,,,|b,B,x,|\"c\",C,y,\"|\"|d,D,z";
        let (products, errors, report) = import(csv.replace('|', end));
        assert_eq!((products[0].row, report.rows), (2, 4), "{end:?}");
        assert_eq!(products[0].description.as_deref(), Some(format!("two{end}lines").as_str()));
        let rows: Vec<_> = errors.iter().map(|error| (error.row, error.handle.as_str())).collect();
        assert_eq!(rows, [(5, "b"), (6, "c"), (7, "d")]);
    }
}

#[test]
fn headers_that_cannot_be_used_are_refused_by_name() {
    let error = header_error("Name,Preis\nx,1\n");
    for part in ["no column `URL handle` (or `Handle`)", "`Title`", "(or `Variant Price`)", "found `Name`, `Preis`"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!header_error("Handle,Title\n").contains("no column `Title`"));
    assert!(header_error("Handle,URL handle,Title,Price\n").contains("columns 1 `Handle` and 2 `URL handle`"));
    assert!(header_error("Handle,Title,Price,SKU,sku\n").contains("columns 4 `SKU` and 5 `sku`"));
    assert!(header_error("Handle;Title;Price\n").contains("semicolons"));
    assert!(header_error("Handle\tTitle\tPrice\n").contains("tabs"));
    assert!(header_error(b"\xff\xfeH\0a\0n\0d\0l\0e\0").contains("UTF-16"));
    assert!(header_error("\"Handle,Title,Price\na,A,1\n").contains("not closed"));
    assert!(header_error("x,".repeat(100_000)).contains("more than 2048 columns"));
    assert!(header_error("x".repeat(20 << 20)).contains("does not end"));
    for empty in ["", "\n\r\n", "\u{feff}"] {
        assert!(matches!(rows_of(empty.as_bytes()), Err(FileError::Empty)));
    }
    let garbage: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert!(header_error(garbage).len() < 3_000);
}

#[test]
fn status_and_publication_decide_together() {
    use ImportedStatus::{Active, Archived, Draft};
    for (status, published, expected) in [
        ("active", "true", Active),
        ("Active", "FALSE", Draft),
        ("active", "", Active),
        ("draft", "true", Draft),
        ("archived", "true", Archived),
        ("", "true", Active),
        ("", "false", Draft),
        ("", "", Draft),
    ] {
        let product = only(with("Status,Published", &format!("{status},{published}")));
        assert_eq!(product.status, expected, "{status} {published}");
    }
    assert_eq!(only(with("Vendor", "")).status, Draft);
    assert_eq!(only(with("Status", "active")).status, Active);
    let error = only_error(with("Status", "unlisted"));
    assert_eq!((error.row, error.column.as_deref()), (2, Some("Status")));
    assert!(error.detail.contains("`unlisted`") && error.detail.contains("active, draft or archived"));
}

#[test]
fn the_category_is_the_type_or_the_end_of_the_path() {
    let names = "Type,Product Category";
    let (products, _, report) = with(names, "Tees,Apparel > Clothing > Shirts");
    assert_eq!(products[0].category.as_deref(), Some("Tees"));
    assert_eq!(unhoused(&report, "Product Category").unwrap().1, 1);
    let (products, _, report) = with(names, ",Apparel > Clothing > Shirts");
    assert_eq!(products[0].category.as_deref(), Some("Shirts"));
    assert_eq!(report.unhoused, []);
    let (products, _, report) = with(names, ",aa-1-13");
    assert_eq!((&products[0].category, report.unhoused.len()), (&None, 1));
}

#[test]
fn images_are_ordered_once_each_and_may_stand_on_rows_of_their_own() {
    let (products, errors, report) = import(
        "Handle,Title,Price,Inventory policy,Image Src,Image Position,Image Alt Text\n\
         a,A,1,deny,https://x.example/2.jpg,2,\n\
         a,,,deny,https://x.example/3.jpg,,\n\
         a,,,,https://x.example/1.jpg,1,front\n\
         a,,,,https://x.example/2.jpg,2,side\n\
         a,,,,,4,nothing\n",
    );
    assert_eq!(errors, []);
    assert_eq!((products[0].variants.len(), products[0].rows), (1, 5));
    let images: Vec<_> = products[0].images.iter().map(|i| (&i.url[18..], i.alt.as_deref())).collect();
    assert_eq!(images, [("1.jpg", Some("front")), ("2.jpg", Some("side")), ("3.jpg", None)]);
    assert_eq!(unhoused(&report, "Image Alt Text").unwrap().1, 1);
    assert_eq!(unhoused(&report, "Image Position").unwrap().1, 1);
    let rows = "a,A,1,https://x.example/b,2\na,,,https://x.example/a,1\nb,B,1,https://x.example/a,1\n\
                b,,,https://x.example/b,2\n";
    let (products, ..) = import(format!("Handle,Title,Price,Image Src,Image Position\n{rows}"));
    assert_eq!(products[0].images, products[1].images);
    assert!(products[1].images[0].url.ends_with("/a"));
    let error = only_error(with("Image Src", "file:///etc/passwd"));
    assert!(error.detail.contains("file:///etc/passwd") && error.detail.contains("https://"));
}

#[test]
fn stock_that_was_kept_otherwise_is_counted() {
    let (products, _, report) = import(
        "Handle,Title,Option1 name,Option1 value,Price,Inventory tracker,Inventory quantity,\
         Continue selling when out of stock\n\
         a,A,Size,S,1,shopify,-4,DENY\na,,,M,1,,7,CONTINUE\na,,,L,1,shopify,,deny\n",
    );
    let quantities: Vec<_> = products[0].variants.iter().map(|variant| variant.quantity).collect();
    assert_eq!(quantities, [0, 7, 0]);
    assert_eq!((report.negative_quantities, report.untracked_variants, report.continue_selling), (1, 1, 1));
    assert_eq!(with("Inventory quantity", "3").2.untracked_variants, 0);
    assert_eq!(with("Inventory quantity,Inventory tracker", "3,").2.untracked_variants, 1);
}

#[test]
fn a_wrong_product_is_refused_with_all_its_errors_and_the_others_go_on() {
    let (products, errors, report) = import(
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty\n\
         ok-1,One,Title,Default Title,,1,1\n\
         bad,,Size,S,,,1.5\n\
         bad,,,M,,12.345,\n\
         bad,,,,A-1,3,\n\
         ok-2,Two,Title,Default Title,,2,1\n",
    );
    assert_eq!(products.iter().map(|p| p.handle.as_str()).collect::<Vec<_>>(), ["ok-1", "ok-2"]);
    assert_eq!((report.refused, report.rows), (1, 5));
    let found: Vec<_> = errors.iter().map(|e| (e.row, e.column.as_deref().unwrap())).collect();
    let expected =
        [(3, "Title"), (3, "Variant Price"), (3, "Variant Inventory Qty"), (4, "Variant Price"), (5, "Option1 Value")];
    assert_eq!(found, expected);
    let text = errors[3].to_string();
    assert!(text.starts_with("row 4 (bad), Variant Price: `12.345` is not valid; expected a price in USD"), "{text}");
}

#[test]
fn duplicates_within_a_product_are_refused() {
    let header = "Handle,Title,Option1 Name,Option1 Value,SKU,Price\n";
    let error = only_error(import(format!("{header}a,A,Size,S,,1\na,,,M,,1\na,,,S,,1\n")));
    assert!(error.row == 4 && error.detail.contains("row 2"), "{error}");
    let error = only_error(import(format!("{header}a,A,Size,S,k-1,1\na,,,M,K-1,1\n")));
    assert!(error.row == 3 && error.column.as_deref() == Some("SKU"), "{error}");
    let (_, errors, _) = import(format!("{header}a,A,Size,S,,1\nb,B,Size,S,,1\nb,,,S,,1\n"));
    assert!(errors[0].row == 4 && errors[0].detail.contains("row 3"), "{}", errors[0]);
    let error = only_error(import(format!("{header}a,A,Title,Default Title,,1\na,,,,x,2\n")));
    assert!(error.row == 3 && error.detail.contains("expected options"), "{error}");
    let error = only_error(import(format!("{header}a,A,Title,Default Title,,1\na,,,Blue,x,2\n")));
    assert!(error.detail.contains("without an option"), "{error}");
    let error = only_error(with("Option1 Name,Option1 Value,Option2 Name,Option2 Value", "Size,S,size,M"));
    assert_eq!(error.column.as_deref(), Some("Option2 Name"));
}

#[test]
fn rows_of_a_product_must_be_adjacent() {
    let (products, errors, report) =
        import("Handle,Title,SKU,Price\na,A,1,1\nb,B,2,1\na,,3,1\na,,4,1\n,C,5,1\nc,C,6,1\nc,D,,\n");
    assert_eq!(products.len(), 2);
    assert_eq!(report.refused, 3);
    assert!(errors[0].row == 4 && errors[0].detail.contains("adjacent"), "{}", errors[0]);
    assert!(errors[1].row == 6 && errors[1].handle.is_empty() && errors[1].column.as_deref() == Some("Handle"));
    assert!(errors[2].row == 8 && errors[2].detail.contains("another name"), "{}", errors[2]);
    assert_eq!(errors.len(), 3);
}

#[test]
fn repeated_product_values_are_fine_and_differing_ones_are_counted() {
    let (products, errors, report) = import(
        "Handle,Title,Vendor,Tags,Option1 Name,Option1 Value,Price\n\
         a,A,Acme,x,Size,S,1\na,A,Acme,y,Size,M,1\na,A,Acme,z,Colour,L,1\n",
    );
    assert_eq!((errors.len(), products[0].variants.len()), (0, 3));
    assert_eq!(products[0].tags, ["x"]);
    assert_eq!(unhoused(&report, "Vendor"), None);
    assert_eq!(unhoused(&report, "Tags (other than").unwrap().1, 2);
    assert_eq!(unhoused(&report, "Option1 Name (other than").unwrap().1, 1);
}

#[test]
fn rows_with_too_many_values_are_refused_and_short_ones_are_not() {
    let csv = "Handle,Title,Price,Vendor\na,A, with a comma,1,Acme\nb,B,1\nc,C,1,Acme,,\n";
    let (products, errors, _) = import(csv);
    assert_eq!(products.iter().map(|p| p.handle.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].detail.contains("has 5 values, one of them `Acme`; expected 4"), "{}", errors[0]);
}

#[test]
fn a_quotation_mark_that_is_never_closed_names_its_row_and_column() {
    let (products, errors, _) = import("Handle,Title,Price,Vendor\na,A,1,\nb,B,1,\"Acme\nc,C,1,\nd,D,1,");
    assert_eq!(products.len(), 1);
    let found: Vec<_> = errors.iter().map(|e| (e.row, e.handle.as_str(), e.column.as_deref())).collect();
    assert_eq!(found, [(3, "b", Some("Vendor"))]);
    let (_, errors, _) = import("Handle,Title,Price\n\"a,A,1\nb,B,1\n");
    assert!(errors.len() == 1 && errors[0].handle.is_empty() && errors[0].detail.contains("never closed"));
    let huge = format!("Handle,Title,Price\na,A,1\nb,\"{}", "x\n,".repeat(5 << 20));
    let (products, errors, _) = import(huge);
    assert_eq!((products.len(), errors.len(), errors[0].row), (1, 1, 3));
    assert!(errors[0].detail.contains("never closed"));
    let whole = only(import("Handle,Title,Price\na,A,\"1\""));
    assert_eq!(whole.variants[0].price, 100);
}

#[test]
fn values_and_rows_beyond_the_limits_cost_only_their_product() {
    let (long, huge) = ("y".repeat((1 << 20) + 1), "\"z\n\"".repeat(5 << 20));
    let lines =
        ["Handle,Title,Price,Vendor", "a,A,1,ok", &format!("b,B,1,{long}"), &format!("c,C,1,{huge}"), "d,D,q,ok"];
    let (products, errors, _) = import(lines.join("\n"));
    assert_eq!(products.len(), 1);
    let found: Vec<_> = errors.iter().map(|e| (e.handle.as_str(), e.column.as_deref().unwrap())).collect();
    assert_eq!(found, [("b", "Vendor"), ("c", "Vendor"), ("d", "Price")]);
    assert!(errors[0].detail.len() < 500);
    // Nothing further is said of a product whose first row cannot be read.
    let error = only_error(import(format!("Handle,Title,Price,Vendor\na,A,1,{long}\na,,x,\n")));
    assert_eq!(error.row, 2);
    let error = only_error(import(format!("Handle,Title,Price\n{long},A,1\n")));
    assert!(error.handle.is_empty() && error.column.as_deref() == Some("Handle"));
    let fits = only(with("Vendor", &"y".repeat(1 << 20)));
    assert_eq!(fits.vendor.unwrap().len(), 1 << 20);
    let wide = format!("Handle,Title,Price\na,A,1{}\nb,B,1\n", ",x".repeat(100_000));
    let (products, errors, _) = import(wide);
    assert!(products.len() == 1 && errors[0].detail.contains("more than 2048 values"), "{}", errors[0]);
}

#[test]
fn products_beyond_the_limits_are_refused() {
    let variants = |count: usize| {
        let rows = (1..count).map(|n| format!("a,,,{n},1,\n"));
        let header = "Handle,Title,Option1 Name,Option1 Value,Price,Image Src\na,A,No,0,1,\n".to_owned();
        [header].into_iter().chain(rows).collect::<String>()
    };
    assert_eq!(only(import(variants(2_048))).variants.len(), 2_048);
    assert!(only_error(import(variants(2_049))).detail.contains("more than 2048 variants"));
    let images = |count: usize| {
        let rows = (0..count).map(|n| format!("a,,,,,https://x.example/{n}\n"));
        [variants(1)].into_iter().chain(rows).collect::<String>()
    };
    assert_eq!(only(import(images(250))).images.len(), 250);
    assert!(only_error(import(images(251))).detail.contains("more than 250 images"));
    let big = "v".repeat(1_000_000);
    let rows = (1..20).map(|n| format!("a,,,{n}{big},1,\n"));
    let csv: String = [variants(1)].into_iter().chain(rows).collect();
    assert!(only_error(import(csv)).detail.contains("bytes in all"));
    let many: String = (0..20).map(|n| format!("p{n},P{big},1\n")).collect();
    assert_eq!(import(format!("Handle,Title,Price\n{many}")).2.products, 20);
    let errors = import(variants(1_000).replace(",1,\n", ",x,\n")).1;
    assert_eq!(errors.len(), 20);
    assert!(errors[19].detail.ends_with("not listed"));
}

#[test]
fn text_that_no_database_takes_is_refused() {
    let error = only_error(import(b"Handle,Title,Price\na,Caf\xe9,1\n"));
    assert_eq!((error.row, error.column.as_deref()), (2, Some("Title")));
    assert!(error.detail.contains("not UTF-8"));
    assert!(only_error(import("Handle,Title,Price\na,A\0B,1\n")).detail.contains("NUL"));
    assert!(only_error(import(b"Handle,Title,Price\n\xff,A,1\n")).detail.contains("not UTF-8"));
}

#[test]
fn a_file_that_stops_being_readable_ends_with_that_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    let start = "Handle,Title,Price\na,A,1\nb,B,1\n".as_bytes();
    let mut rows = ProductRows::new(start.chain(Broken), Currency::USD).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().handle, "a");
    let error = rows.next().unwrap().unwrap_err();
    assert!(matches!(error, ImportError::File(FileError::Read { row: 3, .. })), "{error:?}");
    assert!(rows.next().is_none());
    assert!(matches!(ProductRows::new(Broken, Currency::USD), Err(FileError::Read { row: 0, .. })));
}

/// xorshift64*: the same files on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

#[test]
fn no_bytes_make_it_panic_and_no_row_is_lost() {
    const PIECES: &[&[u8]] = &[
        b",",
        b",",
        b",",
        b",",
        b"\n",
        b"\n",
        b"\r\n",
        b"\"",
        b"\"\"",
        b"a",
        b"b",
        b"Size",
        b"Title",
        b"Default Title",
        b"9.99",
        b"-1",
        b"1e9",
        b"https://x.example/1",
        b"active",
        b"true",
        b" ",
        b"\xff",
        b"\0",
        b"\xef\xbb\xbf",
        b"99999999999999999999",
    ];
    const HEADER: &str = "Handle,Title,Price,Option1 Name,Option1 Value,SKU,Image Src,Image Position,Status,Tags\n";
    let mut random = Random(20_261_124);
    for round in 0..4_000 {
        let mut csv = if round % 8 == 0 { Vec::new() } else { HEADER.as_bytes().to_vec() };
        for _ in 0..random.below(120) {
            csv.extend_from_slice(PIECES[random.below(PIECES.len())]);
        }
        let Ok((products, errors, report)) = rows_of(csv.as_slice()) else {
            continue;
        };
        let kept: u64 = products.iter().map(|product| product.rows).sum();
        assert!(kept <= report.rows && (report.refused == 0) == errors.is_empty());
        assert!(report.refused > 0 || kept == report.rows);
        for product in &products {
            assert!(!product.variants.is_empty() && !product.handle.is_empty() && !product.name.is_empty());
            let width = product.option_names.len();
            assert!(product.variants.iter().all(|v| v.option_values.len() == width && v.price >= 0 && v.quantity >= 0));
        }
    }
}

#[test]
fn damaged_samples_never_panic() {
    let mut random = Random(7);
    for _ in 0..500 {
        let mut csv = HOME.as_bytes().to_vec();
        for _ in 0..=random.below(6) {
            let at = random.below(csv.len());
            match random.below(3) {
                0 => csv[at] = random.below(256) as u8,
                1 => csv.truncate(at + 1),
                _ => drop(csv.remove(at)),
            }
            csv.push(b'\n');
        }
        let Ok((products, errors, report)) = rows_of(csv.as_slice()) else {
            continue;
        };
        assert!(products.len() + errors.len() > 0 || report.rows == 0);
    }
}
