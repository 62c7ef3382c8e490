//! placeholder
#[test]
fn pg() {
    println!("{}", testkit::postgres::database());
    std::thread::sleep(std::time::Duration::from_secs(4));
}
