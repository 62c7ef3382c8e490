//! Valid requests, made up for tests.

/// A small generator of numbers, so that a failure can be repeated.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    pub fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// One request as clients may write them, and how long its body is.
pub fn request(dice: &mut Dice) -> (String, usize) {
    let blanks = ["", " ", "  ", "\t"];
    let target = dice.one_of(&["/", "/a?b=c%0a", "http://x/y", "*"]);
    let request =
        format!("{}{} {target} HTTP/1.1\r\n", dice.one_of(&["", "", "\r\n"]), dice.one_of(&["GET", "POST", "M-X"]));
    let mut lines =
        vec![format!("{}:{}x{}", dice.one_of(&["Host", "HOST", "host"]), dice.one_of(&blanks), dice.one_of(&blanks))];
    for _ in 0..dice.below(6) {
        let name =
            dice.one_of(&["A", "Accept", "Content-Lengt", "Transfer-Encodings", "X-Very-Long-Name-Of-A-Header", "Hos"]);
        let value = dice.one_of(&["", "a", "a: b, c; d", "\u{fc}\t\u{80}", "chunked", "Content-Length: 5"]);
        lines.push(format!("{name}:{}{value}{}", dice.one_of(&blanks), dice.one_of(&blanks)));
    }
    let body: String = (0..dice.below(60))
        .map(|_| dice.one_of(&["\r", "\n", "\0", " ", "0", "a", ":", "GET / HTTP/1.1\r\n"]))
        .collect();
    let mut behind = String::new();
    let mut length = body.len();
    match dice.below(3) {
        0 => length = 0,
        1 => {
            lines.push(format!(
                "{}:{}{}",
                dice.one_of(&["Content-Length", "content-length"]),
                dice.one_of(&blanks),
                body.len()
            ));
            behind.push_str(&body);
        }
        _ => {
            lines.push(format!(
                "{}: {}",
                dice.one_of(&["Transfer-Encoding", "TRANSFER-encoding"]),
                dice.one_of(&["chunked", "Chunked\t"])
            ));
            let size = 1 + dice.below(9);
            for chunk in body.as_bytes().chunks(size) {
                let chunk = String::from_utf8_lossy(chunk);
                behind.push_str(&format!("{:x}{}\r\n{chunk}\r\n", chunk.len(), dice.one_of(&["", ";a", " ;b=\"c\""])));
            }
            behind.push_str(dice.one_of(&[
                "0\r\n\r\n",
                "00;x\r\n\r\n",
                "0\r\nA: b\r\nLonger-Than-Any-Name: c\r\n\r\n",
            ]));
        }
    }
    let first = dice.below(lines.len());
    lines.rotate_left(first);
    (request + &lines.join("\r\n") + "\r\n\r\n" + &behind, length)
}
