use std::time::Instant;

use super::made_up::{Dice, request};
use super::*;

/// Whether these parts are refused, and if not, whether they end between two requests.
fn outcome<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<bool, usize> {
    let mut framing = Framing::default();
    let mut before = 0;
    for part in parts {
        framing.scan(part).map_err(|at| before + at)?;
        before += part.len();
    }
    Ok(framing.is_between())
}

/// The outcome for the whole, which must be the same for any cut.
fn scanned(bytes: &[u8]) -> Result<bool, usize> {
    let whole = outcome([bytes]);
    assert_eq!(outcome(bytes.chunks(1)).is_ok(), whole.is_ok(), "byte by byte: {:?}", String::from_utf8_lossy(bytes));
    assert_eq!(outcome(bytes.chunks(1)).ok(), whole.ok());
    let mut dice = Dice(bytes.len() as u64);
    for _ in 0..20 {
        let (mut parts, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(1 + dice.below(rest.len().min(40)));
            parts.push(part);
            rest = behind;
        }
        assert_eq!(outcome(parts.iter().copied()).ok(), whole.ok(), "{parts:?}");
    }
    whole
}

#[track_caller]
fn refused(request: &str) {
    assert!(scanned(request.as_bytes()).is_err(), "let pass: {request:?}");
}

#[track_caller]
fn passes(request: &str) {
    assert_eq!(scanned(request.as_bytes()), Ok(true), "{request:?}");
}

/// A request with these lines in its head, and this behind it.
fn with(lines: &str, behind: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: x\r\n{lines}\r\n{behind}")
}

#[test]
fn lines_end_in_one_way() {
    for request in [
        "GET / HTTP/1.1\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\n",
        "GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n",
        "GET / HTTP/1.1\rHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\rA",
        "\nGET / HTTP/1.1\r\n\r\n",
        "\rGET / HTTP/1.1\r\n\r\n",
        "GET /\0 HTTP/1.1\r\n\r\n",
        "\0GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\nA\0: b\r\n\r\n",
    ] {
        refused(request);
    }
}

#[test]
fn names_stand_at_the_begin_of_a_line_and_before_a_colon() {
    for line in [
        " A: b\r\n",
        "\tA: b\r\n",
        "A : b\r\n",
        "A\t: b\r\n",
        "A: b\r\n c\r\n",
        "A: b\r\n\tc\r\n",
        ": b\r\n",
        "A\r\n",
        "A b\r\n",
    ] {
        refused(&with(line, ""));
    }
    for line in ["A:b\r\n", "A:\r\n", "A: \t \r\n", "a-_.~!#$%&'*+^`|9: b: c\r\n", "A: \u{fc} \u{80}\r\n"] {
        passes(&with(line, ""));
    }
}

#[test]
fn a_body_has_one_length() {
    for value in [
        "+5",
        "-5",
        "0x5",
        "",
        " ",
        "5,5",
        "5, 5",
        "5 5",
        "5.0",
        "5a",
        "\u{665}",
        "18446744073709551616",
        "99999999999999999999",
    ] {
        refused(&with(&format!("Content-Length: {value}\r\n"), "12345"));
    }
    for (first, second) in [
        ("Content-Length: 5", "Content-Length: 5"),
        ("Content-Length: 5", "content-length: 6"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("TRANSFER-ENCODING: chunked", "transfer-encoding: chunked"),
        ("Host: x", "A: b"),
    ] {
        refused(&with(&format!("{first}\r\n{second}\r\n"), ""));
        refused(&with(&format!("{first}\r\nB: c\r\n{second}\r\n"), ""));
    }
    for coding in [
        "",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked,",
        "chunke",
        "chunkedd",
        "identity",
        "\"chunked\"",
        "chun ked",
        ",chunked",
        "\u{b}chunked",
    ] {
        refused(&with(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n"));
    }
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    passes(&with("Content-Length: 5\r\n", "12345"));
    passes(&with("content-LENGTH:\t005 \r\n", "12345"));
    passes(&with("Content-Length: 0\r\n", ""));
    passes(&with("Transfer-Encoding: \t cHuNkEd \t\r\n", "0\r\n\r\n"));
    passes(&with("Content-Lengths: +5\r\nX-Transfer-Encoding: gzip\r\nHosts: y\r\n", ""));
    passes("GET / HTTP/1.1\r\n\r\n");
    passes("GET / HTTP/1.0\r\nContent-Length: 1\r\n\r\n1");
}

#[test]
fn chunks_are_read_strictly() {
    let chunked = |body: &str| with("Transfer-Encoding: chunked\r\n", body);
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\n\rX",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\r\n",
        ";a\r\n",
        "+5\r\nhello\r\n",
        "-1\r\n",
        "0x5\r\nhello\r\n",
        "5h\r\nhello\r\n",
        "0000000000000005\r\nhello\r\n",
        "ffffffffffffffff\r\n",
        "0\r\nA: b\nC: d\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\nHost: y\r\n\r\n",
        "0\r\nA: \0\r\n\r\n",
    ] {
        refused(&chunked(body));
    }
    let long = "x".repeat(usize::from(EXTRAS) + 1);
    refused(&chunked(&format!("5;{long}\r\nhello\r\n0\r\n\r\n")));
    refused(&chunked(&format!("0\r\nA: {long}\r\n\r\n")));
    refused(&chunked(&format!("0\r\n{long}: a\r\n\r\n")));
    refused(&chunked(&"1;1234567\r\nx\r\n".repeat(usize::from(EXTRAS) / 7 + 1)));
    for body in [
        "0\r\n\r\n",
        "000\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "a\r\n0123456789\r\nA\r\n\r\n\n\0 GET /\r\n0\r\n\r\n",
        "5;a=b;c=\"d e\"\r\nhello\r\n0;end\r\n\r\n",
        "5 ; a\r\nhello\r\n0\r\n\r\n",
        "0\r\nA: b\r\nC:\r\n\r\n",
        "000000000000005\r\nhello\r\n0\r\n\r\n",
    ] {
        passes(&chunked(body));
    }
}

#[test]
fn bodies_are_no_heads_and_heads_follow_bodies() {
    let nonsense = "\n \0 Host : y\r\r\n\n\n";
    let length = nonsense.len();
    passes(&with(&format!("Content-Length: {length}\r\n"), nonsense));
    passes(&with("Transfer-Encoding: chunked\r\n", &format!("{length:x}\r\n{nonsense}\r\n0\r\n\r\n")));
    refused(&with(&format!("Content-Length: {}\r\n", length - 1), nonsense));
    let behind = |second: &str| with("Content-Length: 2\r\n", &format!("hi\r\n\r\n{second}"));
    passes(&behind("GET / HTTP/1.1\r\nHost: y\r\n\r\n"));
    refused(&behind("GET / HTTP/1.1\nHost: y\r\n\r\n"));
    // What one request said holds for no other.
    let twice = with("Transfer-Encoding: chunked\r\n", "0\r\nA: b\r\n\r\n") + &with("Content-Length: 1\r\n", "1");
    passes(&twice.repeat(3));
    passes(&("GET / HTTP/1.0\r\n\r\n".to_owned() + &with("Transfer-Encoding: chunked\r\n", "0\r\n\r\n")));
}

#[test]
fn the_first_doubtful_byte_is_in_its_own_request() {
    let good = with("Content-Length: 2\r\n", "hi");
    for bad in ["\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", " \nGET"] {
        let at = scanned(format!("{good}{bad}").as_bytes()).unwrap_err();
        assert!((good.len()..good.len() + bad.len()).contains(&at), "{bad:?}: {at}");
    }
}

#[test]
fn what_has_arrived_is_known() {
    let mut framing = Framing::default();
    for (part, in_head, between) in [
        ("\r\n", false, true),
        ("GE", true, false),
        ("T / HTTP/1.1\r\nHo", true, false),
        ("st: x\r\nContent-Length: ", true, false),
        ("3\r\n", true, false),
        ("\r", true, false),
        ("\n", false, false),
        ("ab", false, false),
        ("c", false, true),
    ] {
        assert_eq!(framing.scan(part.as_bytes()), Ok(()));
        assert_eq!((framing.is_in_head(), framing.is_between()), (in_head, between), "{part:?}");
    }
}

#[test]
fn valid_requests_pass_however_they_are_cut() {
    let mut dice = Dice(7);
    for _ in 0..2_000 {
        let requests: String = (0..1 + dice.below(4)).map(|_| request(&mut dice).0).collect();
        passes(&requests);
    }
}

#[test]
fn any_cut_of_any_bytes_has_one_outcome() {
    let mut dice = Dice(11);
    for _ in 0..2_000 {
        let mut request = (request(&mut dice).0 + &request(&mut dice).0).into_bytes();
        for _ in 0..1 + dice.below(3) {
            let at = dice.below(request.len());
            request[at] = *b"\r\n\0 \t:;0,".get(dice.below(9)).unwrap();
        }
        let _ = scanned(&request);
    }
}

#[test]
#[ignore = "a measurement: run it with --release --nocapture"]
fn what_an_ordinary_request_costs() {
    let request = b"GET /api/v2/products/0192f0c1-7b1a-8abc-8def-0123456789ab HTTP/1.1\r\nHost: shop.example\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: application/json\r\n\
        Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n\
        If-None-Match: \"12-34567890\"\r\nCache-Control: max-age=0\r\n\r\n";
    let rounds = 1_000_000;
    let mut framing = Framing::default();
    let began = Instant::now();
    for _ in 0..rounds {
        assert_eq!(framing.scan(std::hint::black_box(request)), Ok(()));
    }
    println!("{:?} for {} bytes", began.elapsed() / rounds, request.len());
}
