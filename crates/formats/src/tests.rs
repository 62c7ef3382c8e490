use std::io::{self, Cursor, Read};

use super::*;
use kernel::Currency;

const APPAREL: &str = include_str!("../../../tests/data/shopify/apparel.csv");
const HOME: &str = include_str!("../../../tests/data/shopify/home-and-garden.csv");

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
    let mut rows = ProductRows::new(reader, Currency::USD)?.keeping_source();
    let (mut products, mut errors) = (Vec::new(), Vec::new());
    for item in &mut rows {
        match item {
            Ok(product) => products.push(product),
            Err(ImportError::Product(refused)) => errors.extend(refused.errors),
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

fn value<T: ToOwned + ?Sized>(value: &T) -> Given<T::Owned> {
    Given::Value(value.to_owned())
}

fn without_source(mut products: Vec<ImportedProduct>) -> Vec<ImportedProduct> {
    products.iter_mut().for_each(|product| product.source.clear());
    products
}

fn unmapped<'a>(report: &'a Report, start: &str) -> Option<&'a (String, u64)> {
    report.unmapped.iter().find(|(name, _)| name.starts_with(start))
}

#[test]
fn the_sample_of_apparel_is_read_whole() {
    let (products, errors, report) = import(APPAREL);
    assert_eq!(errors, []);
    assert_eq!((report.rows, report.products, report.variants, report.images), (22, 20, 22, 20));
    assert!(products.iter().flat_map(|product| &product.variants).all(|variant| variant.is_tracked == Some(false)));
    let top = &products[1];
    assert_eq!((top.row, top.source.len(), top.handle.as_str()), (3, 3, "classic-varsity-top"));
    assert_eq!(top.name.as_deref(), Some("Classic Varsity Top"));
    assert!(top.description.value().unwrap().ends_with("embroidered letter."));
    assert_eq!(top.vendor, value("partners-demo"));
    assert_eq!((&top.category, top.status), (&Given::Empty, Some(ImportedStatus::Active)));
    assert_eq!((&top.tags, &top.option_names), (&Given::Value(vec!["women".into()]), &Some(vec!["Size".to_owned()])));
    let sizes: Vec<_> = top.variants.iter().map(|v| (v.option_values[0].as_str(), v.price, v.quantity)).collect();
    assert_eq!(sizes, ["Small", "Medium", "Large"].map(|size| (size, Some(6_000), Some(1))));
    assert_eq!(top.variants[0].weight.value().map(ToString::to_string).as_deref(), Some("0"));
    assert_eq!(products[0].option_names, Some(Vec::new()));
    assert_eq!(products[0].variants[0].option_values, Vec::<String>::new());
    assert_eq!(products[19].handle, "led-high-tops");
    let expected = [
        ("Variant Fulfillment Service", 22),
        ("Variant Requires Shipping", 22),
        ("Variant Taxable", 22),
        ("Gift Card", 20),
        ("Variant Weight Unit", 22),
    ];
    assert_eq!(report.unmapped, expected.map(|(name, rows)| (name.to_owned(), rows)));
}

#[test]
fn the_sample_of_home_and_garden_is_read_whole() {
    let (products, errors, report) = import(HOME);
    assert_eq!(errors, []);
    assert_eq!((report.rows, report.products, report.variants, report.images), (21, 20, 21, 21));
    let pot = &products[0];
    assert_eq!(pot.category, value("Outdoor"));
    assert_eq!(pot.tags, Given::Value(vec!["Pot".into(), "Plants".into()]));
    let offers: Vec<_> = pot.variants.iter().map(|v| (v.price.unwrap(), v.quantity.unwrap())).collect();
    assert_eq!(offers, [(999, 1), (1_599, 3)]);
    assert!(pot.images.value().unwrap()[1].url.ends_with("pot-with-a-single-sprout_925x.jpg"));
    let light = &products[1].variants[0];
    assert_eq!((light.price, light.compare_at_price, light.quantity), (Some(5_999), Given::Value(7_500), Some(2)));
}

#[test]
fn old_and_new_headers_mean_the_same() {
    for csv in [APPAREL, HOME] {
        let (old, renamed) = (import(csv), import(new_header(csv)));
        assert_eq!(without_source(old.0.clone()), without_source(renamed.0));
        assert_eq!(old.2, renamed.2);
        let shouted = csv.replacen(csv.lines().next().unwrap(), &csv.lines().next().unwrap().to_uppercase(), 1);
        assert_eq!(without_source(import(shouted).0), without_source(old.0));
    }
}

#[test]
fn byte_order_marks_line_ends_and_the_reads_of_the_source_do_not_matter() {
    let expected = without_source(import(HOME).0);
    let unix = HOME.replace("\r\n", "\n");
    for csv in [
        format!("\u{feff}{HOME}"),
        unix.clone(),
        unix.replace('\n', "\r\n"),
        unix.replace('\n', "\r"),
        unix.trim_end().to_owned(),
        format!("\u{feff}\"Handle\"{}", unix.strip_prefix("Handle").unwrap()),
    ] {
        assert_eq!(without_source(import(&csv).0), expected);
        let dribble = Dribble { bytes: Cursor::new(csv), calls: 0 };
        assert_eq!(without_source(rows_of(dribble).unwrap().0), expected);
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
        assert_eq!(products[0].description, Given::Value(format!("two{end}lines")));
        let rows: Vec<_> = errors.iter().map(|error| (error.row, error.handle.as_str())).collect();
        assert_eq!(rows, [(5, "b"), (6, "c"), (7, "d")]);
    }
}

#[test]
fn headers_that_cannot_be_used_are_refused_by_name() {
    let error = header_error("Name,Preis\nx,1\n");
    for part in ["no column `URL handle` (or `Handle`)", "expected Shopify's", "found `Name`, `Preis`"] {
        assert!(error.contains(part), "{error}");
    }
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
    use ImportedStatus::{Active, Archived, Draft, Unlisted};
    for (status, published, expected) in [
        ("active", "true", Some(Active)),
        ("Active", "FALSE", Some(Draft)),
        ("active", "", Some(Active)),
        ("draft", "true", Some(Draft)),
        ("archived", "true", Some(Archived)),
        ("Unlisted", "true", Some(Unlisted)),
        ("", "true", Some(Active)),
        ("", "false", Some(Draft)),
        ("", "", None),
    ] {
        let product = only(with("Status,Published", &format!("{status},{published}")));
        assert_eq!(product.status, expected, "{status} {published}");
    }
    assert_eq!(only(with("Vendor", "")).status, None);
    assert_eq!(only(with("Status", "active")).status, Some(Active));
    let error = only_error(with("Status", "asleep"));
    assert_eq!((error.row, error.column.as_deref()), (2, Some("Status")));
    assert!(error.detail.contains("`asleep`") && error.detail.contains("active, draft, archived or unlisted"));
}

#[test]
fn the_category_is_the_type_or_the_end_of_the_path() {
    let names = "Type,Product Category";
    let product = only(with(names, "Tees,Apparel > Clothing > Shirts"));
    assert_eq!((product.category, product.category_path), (value("Tees"), value("Apparel > Clothing > Shirts")));
    let (products, _, report) = with(names, ",Apparel > Clothing > Shirts");
    assert_eq!(products[0].category, value("Shirts"));
    assert_eq!(report.unmapped, []);
    let (products, _, report) = with(names, ",aa-1-13");
    assert_eq!((&products[0].category, &products[0].category_path), (&Given::Empty, &Given::Absent));
    assert!(unmapped(&report, "Product Category (it is only an id)").is_some());
    // Without a column of types, an id says nothing of the category.
    assert_eq!(only(with("Product Category", "aa-1-13")).category, Given::Absent);
    assert_eq!(only(with("Product Category", "")).category, Given::Empty);
    assert_eq!(only(with("Vendor", "")).category, Given::Absent);
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
    assert_eq!((products[0].variants.len(), products[0].source.len()), (1, 5));
    let images: Vec<_> = products[0].images.value().unwrap().iter().map(|i| (&i.url[18..], i.alt.as_deref())).collect();
    assert_eq!(images, [("1.jpg", Some("front")), ("2.jpg", Some("side")), ("3.jpg", None)]);
    assert_eq!(unmapped(&report, "Image Alt Text").unwrap().1, 1);
    assert_eq!(unmapped(&report, "Image Position").unwrap().1, 1);
    let rows = "a,A,1,https://x.example/b,2\na,,,https://x.example/a,1\nb,B,1,https://x.example/a,1\n\
                b,,,https://x.example/b,2\n";
    let (products, ..) = import(format!("Handle,Title,Price,Image Src,Image Position\n{rows}"));
    assert_eq!(products[0].images, products[1].images);
    assert!(products[1].images.value().unwrap()[0].url.ends_with("/a"));
    let error = only_error(with("Image Src", "file:///etc/passwd"));
    assert!(error.detail.contains("file:///etc/passwd") && error.detail.contains("https://"));
}

#[test]
fn a_cell_has_three_states() {
    const COLUMNS: &str = "Body (HTML),Vendor,Type,Tags,Status,SKU,Barcode,Compare-at price,Inventory quantity,\
        Inventory tracker,Inventory policy,Variant Grams,Variant Image,Image Src,SEO Title,SEO Description,\
        Material (product.metafields.custom.material)";
    let columns = COLUMNS.replace("Inventory policy", "Variant Inventory Policy");
    let values = "<p>x</p>,Acme,Tees,\"a, b\",unlisted,S-1,'0123A,12.50,-3,shopify,CONTINUE,453.59237,https://x.example/v,\
        https://x.example/p,T,D,'42";
    let product = only(with(&columns, values));
    let variant = &product.variants[0];
    assert_eq!((&product.description, &product.vendor), (&value("<p>x</p>"), &value("Acme")));
    assert_eq!((&product.seo_title, &product.seo_description), (&value("T"), &value("D")));
    assert_eq!(product.attributes, [("custom.material".to_owned(), Some("42".to_owned()))]);
    assert_eq!((&variant.sku, &variant.barcode), (&value("S-1"), &value("0123A")));
    assert_eq!((variant.compare_at_price, variant.quantity), (Given::Value(1_250), Some(-3)));
    assert_eq!((variant.is_tracked, variant.backorder), (Some(true), Some(true)));
    assert_eq!(variant.weight.value().map(ToString::to_string).as_deref(), Some("453.59237"));
    assert_eq!(variant.image, value("https://x.example/v"));
    let empty = only(with(&columns, &",".repeat(16)));
    let variant = &empty.variants[0];
    assert_eq!((&empty.description, &empty.vendor, &empty.category), (&Given::Empty, &Given::Empty, &Given::Empty));
    assert_eq!((&empty.tags, &empty.images, empty.status), (&Given::Empty, &Given::Empty, None));
    assert_eq!(empty.attributes, [("custom.material".to_owned(), None)]);
    assert_eq!((&variant.sku, &variant.barcode, variant.weight), (&Given::Empty, &Given::Empty, Given::Empty));
    assert_eq!((variant.quantity, variant.is_tracked, variant.backorder), (None, Some(false), None));
    let absent = only(import("Handle,Title,Price\nshirt,Shirt,\n"));
    let variant = &absent.variants[0];
    assert_eq!((&absent.description, &absent.tags, &absent.images), (&Given::Absent, &Given::Absent, &Given::Absent));
    assert_eq!((absent.option_names, variant.price, variant.is_tracked), (None, None, None));
    assert_eq!((&variant.sku, variant.quantity, variant.compare_at_price), (&Given::Absent, None, Given::Absent));
    let nothing = only(import("Handle,Title\nshirt,\n"));
    assert_eq!((nothing.name, nothing.variants), (None, Vec::new()));
}

#[test]
fn refused_products_are_kept_as_they_stand() {
    let csv = "Handle,Title,Price,Body (HTML),PrimeTrade problem\n\
        a,A,1,,\nb,\"B, and \"\"more\"\"\",x,\"two\nlines\",mended\nb,,,,\n";
    let rows = ProductRows::new(csv.as_bytes(), Currency::USD).unwrap().keeping_source();
    let mut report = Vec::new();
    let mut writer = report::ReportWriter::new(&mut report, rows.columns().names()).unwrap();
    for item in rows {
        if let Err(ImportError::Product(refused)) = item {
            writer.add(&refused).unwrap();
        }
    }
    writer.finish().unwrap();
    let report = String::from_utf8(report).unwrap();
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines[0], "Handle,Title,Price,Body (HTML),PrimeTrade row,PrimeTrade problem");
    assert_eq!(lines[1], r#"b,"B, and ""more""",x,"two"#);
    assert!(lines[2].starts_with("lines\",3,\"Price: `x` is"), "{report}");
    assert_eq!(lines[3], "b,,,,4,");
    // Mended, it is read as any other.
    let (products, errors, read) = import(report.replace(",x,", ",2,"));
    assert_eq!((errors, products.len(), read.unmapped), (vec![], 1, vec![]));
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
    let expected = [(3, "Variant Inventory Qty"), (4, "Variant Price"), (5, "Option1 Value")];
    assert_eq!(found, expected);
    let text = errors[1].to_string();
    assert!(text.starts_with("row 4 (bad), Variant Price: `12.345` is not valid; expected a price in USD"), "{text}");
}

#[test]
fn duplicates_within_a_product_are_refused() {
    let header = "Handle,Title,Option1 Name,Option1 Value,SKU,Price\n";
    let error = only_error(import(format!("{header}a,A,Size,S,,1\na,,,M,,1\na,,,S,,1\n")));
    assert!(error.row == 4 && error.detail.contains("row 2"), "{error}");
    // A shop may well use one SKU for several.
    assert_eq!(only(import(format!("{header}a,A,Size,S,k-1,1\na,,,M,K-1,1\n"))).variants.len(), 2);
    let (_, errors, _) = import(format!("{header}a,A,Size,S,,1\nb,B,Size,S,,1\nb,,,S,,1\n"));
    assert!(errors[0].row == 4 && errors[0].detail.contains("row 3"), "{}", errors[0]);
    let error = only_error(import(format!("{header}a,A,Title,Default Title,,1\na,,,,x,2\n")));
    assert!(error.row == 3 && error.detail.contains("expected options"), "{error}");
    let error = only_error(import(format!("{header}a,A,Title,Default Title,,1\na,,,Blue,x,2\n")));
    assert!(error.detail.contains("without an option"), "{error}");
    let error = only_error(with("Option1 Name,Option1 Value,Option2 Name,Option2 Value", "Size,S,Size,M"));
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
    assert_eq!(products[0].tags, Given::Value(vec!["x".into()]));
    assert_eq!(unmapped(&report, "Vendor"), None);
    assert_eq!(unmapped(&report, "Tags (other than").unwrap().1, 2);
    assert_eq!(unmapped(&report, "Option1 Name (other than").unwrap().1, 1);
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
    assert_eq!(whole.variants[0].price, Some(100));
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
    assert_eq!(fits.vendor.value().unwrap().len(), 1 << 20);
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
    assert_eq!(only(import(images(250))).images.value().unwrap().len(), 250);
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
        let kept: u64 = products.iter().map(|product| product.source.len() as u64).sum();
        assert!(kept <= report.rows && (report.refused == 0) == errors.is_empty());
        assert!(report.refused > 0 || kept == report.rows);
        for product in &products {
            assert!(!product.variants.is_empty() && !product.handle.is_empty());
            let width = product.option_names.as_ref().map_or(0, Vec::len);
            assert!(product.variants.iter().all(|v| v.option_values.len() == width && v.price.unwrap_or(0) >= 0));
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
